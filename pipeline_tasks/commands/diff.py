"""Say what changed from one version to another: users whose list changed and by how much, items that came and left."""

import argparse
import json
from dataclasses import asdict

from pipeline_tasks.settings import Settings

HELP = "say what changed between two versions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", help="a version, or live")
    parser.add_argument("b", help="another")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    import pyarrow as pa

    from pipeline_tasks.publishing.comparison import compare
    from pipeline_tasks.publishing.list_arrays import Codes
    from pipeline_tasks.publishing.listed import read_files
    from pipeline_tasks.publishing.refill import LISTS
    from pipeline_tasks.reader import open_version
    from pipeline_tasks.scratch import scratch_folder

    named = [open_version(loaded.lake_uri, name) for name in (options.a, options.b)]
    codes = Codes(pa.array([], pa.string()))
    with scratch_folder(loaded) as folder:
        a, b = (
            read_files(version.local_files("top_n", folder / str(place)), LISTS["top_n"], codes)
            for place, version in enumerate(named)
        )
    found = compare(a, b, codes)
    if options.json:
        print(json.dumps(asdict(found), indent=1, ensure_ascii=False))
    else:
        print("\n".join([f"from {named[0].name} to {named[1].name}", *found.lines()]))
    return 0
