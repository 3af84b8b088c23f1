"""Ranking: a fitted model and histories in, the best items of every user out, block by block."""
