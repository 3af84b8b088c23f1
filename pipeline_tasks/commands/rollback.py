"""Make an earlier version live again: a new entry of the log, no data moves; readers of the old one finish undisturbed."""

import argparse
import os

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import Settings

HELP = "make an earlier version live again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", metavar="VERSION", help="by default the one that was live before")
    parser.add_argument("--why", help="for the log; by default NIGHTJAR_WHY")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    from pipeline_tasks.lake.store import open_store
    from pipeline_tasks.publishing.alone import alone_with_versions
    from pipeline_tasks.publishing.changes import roll_back
    from pipeline_tasks.publishing.who import who

    why = options.why or os.environ.get("NIGHTJAR_WHY")
    if not why:
        raise Refused("a rollback without a reason", "say --why: the log keeps it")
    to = options.to or os.environ.get("NIGHTJAR_VERSION") or None
    with alone_with_versions(loaded, "rollback") as require:
        entry = roll_back(open_store(loaded.lake_uri), to, who(), why, require)
    print(f"{entry.version} of night {entry.run_date} is live again, entry {entry.sequence} of the log")
    return 0
