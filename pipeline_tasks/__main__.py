"""The command line: a command a stage, and the few that people need. It imports one stage only."""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pipeline_tasks import settings
from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake.records import STAGES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit 0 done, 2 refused for a reason that a retry cannot cure, 99 nothing to do."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["airflow"]:  # its own options are Airflow's
        from pipeline_tasks.airflow_home import run_airflow

        return run_airflow(given[1:])
    options = _parser().parse_args(given)
    try:
        if options.command == "sample":
            return _sample(options)
        loaded = settings.load()
        if options.command == "settings" and options.table:
            from pipeline_tasks.settings.table import markdown

            print(markdown())
            return 0
        if options.command == "settings":
            print(json.dumps(settings.masked(loaded), indent=2, ensure_ascii=False))
            return 0
        if options.command == "nightly":
            from pipeline_tasks.nightly import run_nightly

            return run_nightly(loaded, options.run_date, options.model, options.publish)
        if options.command == "tune":
            return _tune(loaded, options)
        from pipeline_tasks.running import run_stage

        return run_stage(loaded, options.command, _night(options.run_date))
    except NightjarError as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return error.exit_code


def _night(text: str | None) -> date:
    """Return the night of --run-date or NIGHTJAR_RUN_DATE; no stage asks a clock which night it is."""
    found = text or os.environ.get("NIGHTJAR_RUN_DATE")
    if not found:
        raise Refused("no run date", "say --run-date YYYY-MM-DD, or set NIGHTJAR_RUN_DATE")
    return settings.parse_run_date(found)


def _models(text: str) -> str:
    if not re.match(settings.MODEL_PATTERN, text):
        raise argparse.ArgumentTypeError(
            f"{text!r}; name {', '.join(settings.MODELS)}, commas between several"
        )
    return text


def _tune(loaded: settings.Settings, options: argparse.Namespace) -> int:
    from pipeline_tasks.lake.store import open_store
    from pipeline_tasks.models.checkpoint import fingerprint
    from pipeline_tasks.training_data import read_training_data
    from pipeline_tasks.tuning import summary, tune

    night = _night(options.run_date)
    data = read_training_data(open_store(loaded.lake_uri), night)
    made_of = fingerprint(data.inputs, loaded.results_digest())[:12]
    journal = loaded.state_dir / "tuning" / f"{loaded.train.model}-{night}-{made_of}.journal"
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


def _sample(options: argparse.Namespace) -> int:
    from pipeline_tasks.sample import write_sample

    counts = write_sample(
        options.out,
        users=options.users,
        items=options.items,
        days=options.days,
        seed=options.seed,
        images=options.images,
        end=settings.parse_run_date(options.end),
    )
    print(f"wrote {', '.join(f'{count:,} {name}' for name, count in counts.items())} to {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline_tasks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for stage in STAGES:
        command = commands.add_parser(stage, help=f"run the stage {stage} for one night")
        command.add_argument("--run-date", help="the night, YYYY-MM-DD; by default NIGHTJAR_RUN_DATE")
    nightly = commands.add_parser("nightly", help="run a whole night through Airflow and sum it up")
    nightly.add_argument("--run-date", help="the night, YYYY-MM-DD; by default yesterday (UTC)")
    nightly.add_argument("--model", type=_models, help="another challenger than train.model, or several")
    nightly.add_argument("--publish", choices=("auto", "off"), help="off leaves the version unpublished")
    tuned = commands.add_parser("tune", help="search for better train settings on a night's training tables")
    tuned.add_argument("--run-date", help="the night, YYYY-MM-DD; by default NIGHTJAR_RUN_DATE")
    tuned.add_argument("--trials", type=int, default=30, help="trials of the whole study")
    tuned.add_argument("--minutes", type=float, default=60, help="stop after so long; go on another time")
    commands.add_parser("airflow", help="run an Airflow command in the project's own home")
    shown = commands.add_parser("settings", help="print the effective settings, secrets masked")
    shown.add_argument("--table", action="store_true", help="instead, every key with default and meaning")
    sample = commands.add_parser("sample", help="write a realistic shop to try things on")
    sample.add_argument("--out", type=Path, required=True, help="folder to write")
    sample.add_argument("--users", type=int, default=1000)
    sample.add_argument("--items", type=int, default=500)
    sample.add_argument("--days", type=int, default=60)
    sample.add_argument("--seed", type=int, default=7)
    sample.add_argument("--images", action="store_true", help="also draw a PNG for each item")
    sample.add_argument("--end", default="2026-06-30", help="the last day, YYYY-MM-DD")
    return parser


if __name__ == "__main__":
    sys.exit(main())
