"""Encoders of content: texts and images in, vectors of length 1 out. They know no Spark and download nothing."""
