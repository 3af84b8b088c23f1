"""Spark: the session, the lake as frames, and the pure DataFrame transformations by subject."""
