"""Nightjar: a nightly batch recommender. `python -m pipeline_tasks --help` lists what it can do."""

__version__ = "0.1.0"
