"""Nightjar: a nightly batch recommender. `python -m pipeline_tasks --help` lists what it can do."""

import os

# Before torch is imported: how long its threads spin while they wait for one another, before they sleep. The
# default of some milliseconds makes small steps of training thirty times as slow where other work shares the
# processors; none at all costs a third where nothing does.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

__version__ = "0.1.0"
