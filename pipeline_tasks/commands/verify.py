"""Read a version's files and hold them against its manifest, and look for gaps in the log; 2 where something is wrong."""

import argparse

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.settings import Settings

HELP = "check a version's files against its manifest, and the log's continuity"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", default="live", help='"live" by default')
    parser.add_argument("--all", action="store_true", help="every version that there is")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    from pipeline_tasks.lake.store import open_store
    from pipeline_tasks.publishing import catalogue, log, verification, versions

    store = open_store(loaded.lake_uri)
    faults = list(verification.faults_of_log(store))
    try:
        live = log.newest(store)
    except NightjarError:  # the log's faults tell of it
        live = None
    serves = live.version if live else ""
    if options.all:
        names = catalogue.names(store)
    elif options.version == "live":
        names = [serves] if serves else []
    else:
        names = [catalogue.require(store, options.version)]
    if not names and not faults:
        raise Refused(f"nothing is published in {store.uri}", "look whether that is the lake")
    needed = verification.needed(store, live) if live else ()
    broken = set()
    for name in names:
        if options.all and name not in needed and not versions.is_whole(store, name):
            print(f"{name}: incomplete, and not live")  # as a check that was killed leaves it
            continue
        found = verification.look(store, name)
        print(f"{name}: {'; '.join(found.faults) or 'as it was published'}")
        faults += found.faults
        broken |= {name} if found.lost else set()
    if faults:
        raise Refused("; ".join(dict.fromkeys(faults)), _what_to_do(serves, broken))
    print(f"the log has {live.sequence} entries, none missing" if live else "nothing is published yet")
    return 0


def _what_to_do(serves: str, broken: set[str]) -> str:
    if serves in broken:
        return "rollback to a version that is whole, or mend the live one as is said"
    if broken:
        return "do not go back to it as it is"
    return "no version that was looked at differs from what was published"
