"""List every version: its night, what became of it, its model and metrics, users and size."""

import argparse
import json
from dataclasses import asdict

from pipeline_tasks.settings import Settings

HELP = "list the versions of the tables: live, held, refused, …"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="with their manifests, for programs")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    from pipeline_tasks.lake.store import open_store
    from pipeline_tasks.publishing.catalogue import lines, listed

    found = list(listed(open_store(loaded.lake_uri)))
    if options.json:
        print(json.dumps([asdict(each) for each in found], indent=1, ensure_ascii=False))
    else:
        print("\n".join(lines(found)) if found else f"there are no versions in {loaded.lake_uri}")
    return 0
