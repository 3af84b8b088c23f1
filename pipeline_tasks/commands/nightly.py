"""Run a whole night through Airflow and sum it up."""

import argparse
import re

from pipeline_tasks.settings import MODEL_PATTERN, MODELS, Settings

HELP = "run a whole night through Airflow and sum it up"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run-date", help="the night, YYYY-MM-DD; by default yesterday (UTC)")
    parser.add_argument("--model", type=_models, help="another challenger than train.model, or several")
    parser.add_argument("--publish", choices=("auto", "hold", "force", "off"), help="see publish.mode")
    parser.add_argument("--why", help="of a forced night; the log keeps it")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    from pipeline_tasks.nightly import run_nightly

    return run_nightly(loaded, options.run_date, options.model, options.publish, options.why)


def _models(text: str) -> str:
    if not re.match(MODEL_PATTERN, text):
        raise argparse.ArgumentTypeError(f"{text!r}; name {', '.join(MODELS)}, commas between several")
    return text
