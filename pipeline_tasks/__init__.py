"""Nightjar: a nightly batch recommender. `python -m pipeline_tasks --help` lists what it can do."""

import os

# Before torch is imported: its threads sleep while they wait for one another. When they spin instead, as they
# do unless told, and other work shares the processors, small steps of training take thirty times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__version__ = "0.1.0"
