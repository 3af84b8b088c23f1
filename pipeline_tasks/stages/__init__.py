"""One file a stage: each has `run(settings, run_date) -> Report`, and its module name is its command."""
