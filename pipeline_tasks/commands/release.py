"""Make a version live that was held back, or was not to be published; refused where its items have sold out since."""

import argparse
import json
import os

from pipeline_tasks.settings import Settings

HELP = "make a held version live"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", help="by default NIGHTJAR_VERSION, or the newest that is held or ready")
    parser.add_argument("--why", default="", help="for the log; by default NIGHTJAR_WHY")
    parser.add_argument(
        "--show", action="store_true", help="only say which would be, and its verdict, in JSON"
    )


def run(loaded: Settings, options: argparse.Namespace) -> int:
    named = options.version or os.environ.get("NIGHTJAR_VERSION") or None
    if options.show:
        from pipeline_tasks.lake.store import open_store
        from pipeline_tasks.publishing.waiting import asked

        print(json.dumps(asked(open_store(loaded.lake_uri), named), ensure_ascii=False))
        return 0
    from pipeline_tasks.releasing import release

    entry = release(loaded, named, options.why or os.environ.get("NIGHTJAR_WHY") or "")
    print(f"{entry.version} of night {entry.run_date} is live, entry {entry.sequence} of the log")
    return 0
