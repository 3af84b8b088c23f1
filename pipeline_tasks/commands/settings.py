"""Print the effective settings, or all that can be set."""

import argparse
import json

from pipeline_tasks.settings import Settings, masked

HELP = "print the effective settings, secrets masked"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", action="store_true", help="instead, every key with default and meaning")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    if options.table:
        from pipeline_tasks.settings.table import markdown

        print(markdown())
    else:
        print(json.dumps(masked(loaded), indent=2, ensure_ascii=False))
    return 0
