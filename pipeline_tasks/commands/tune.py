"""Search for better train settings on a night's training tables; the same command goes on from where it stopped."""

import argparse

from pipeline_tasks.commands.nights import add_run_date, night
from pipeline_tasks.settings import Settings

HELP = "search for better train settings on a night's training tables"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_date(parser)
    parser.add_argument("--trials", type=int, default=30, help="trials of the whole study")
    parser.add_argument("--minutes", type=float, default=60, help="stop after so long; go on another time")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    from pipeline_tasks.lake.store import open_store
    from pipeline_tasks.models.checkpoint import fingerprint
    from pipeline_tasks.training_data import read_training_data
    from pipeline_tasks.tuning import summary, tune

    run_date = night(options.run_date)
    data = read_training_data(open_store(loaded.lake_uri), run_date)
    made_of = fingerprint(data.inputs, loaded.results_digest())[:12]
    journal = loaded.state_dir / "tuning" / f"{loaded.train.model}-{run_date}-{made_of}.journal"
    study = tune(
        loaded,
        data.histories.before(data.holdout.cut),
        data.catalogue,
        data.weights,
        data.holdout.cut,
        journal,
        trials=options.trials,
        minutes=options.minutes,
        say=lambda line: print(line, flush=True),
    )
    print(f"{summary(study)}\n\nkept in {journal}: the same command goes on from there")
    return 0
