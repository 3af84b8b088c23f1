"""Try whether a store keeps what the commit log rests on, above all that of many who create one object one wins."""

import argparse

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import Settings

HELP = "probe the lake's store before it is trusted"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uri", nargs="?", help="file:// or s3://; by default the lake")
    parser.add_argument("--rounds", type=int, default=10, help="races of the concurrent trial")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    from pipeline_tasks.lake.store import open_store
    from pipeline_tasks.publishing.probe import probe

    if options.rounds < 1:
        raise Refused(f"{options.rounds} rounds prove nothing", "say --rounds 1, or more")
    store = open_store(options.uri or loaded.lake_uri)
    faults = []
    for trial, fault in probe(store, options.rounds):
        print(f"  {'no ' if fault else 'yes'}  {trial}{f': {fault}' if fault else ''}", flush=True)
        faults += [fault] if fault else []
    if faults:
        raise Refused(f"{store.uri} is not to be trusted: {faults[0]}", "keep the lake in another store")
    print(f"{store.uri} keeps what the commit log rests on")
    return 0
