"""Read a version's files and hold them against its manifest, and look for gaps in the log; 2 where something is wrong."""

import argparse

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import Settings

HELP = "check a version's files against its manifest, and the log's continuity"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", help="by default the live one")
    parser.add_argument("--all", action="store_true", help="every version that there is")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    from pipeline_tasks.lake.store import open_store
    from pipeline_tasks.publishing import catalogue, log, verification

    store = open_store(loaded.lake_uri)
    faults = list(verification.faults_of_log(store))
    live = log.newest(store) if not faults else None
    if options.all:
        names = catalogue.names(store)
    else:
        names = [options.version] if options.version else [live.version] if live else []
    for name in names:
        found = list(verification.faults_of_version(store, name))
        print(f"{name}: {found[0] if found else 'as it was published'}")
        faults += found
    if faults:
        raise Refused(
            "; ".join(dict.fromkeys(faults)), "rollback to a version that is whole, or run its night again"
        )
    print(f"the log has {live.sequence} entries, none missing" if live else "nothing is published yet")
    return 0
