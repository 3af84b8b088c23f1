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
    from pipeline_tasks.dataset.engine import define, open_engine
    from pipeline_tasks.publishing.comparison import compare
    from pipeline_tasks.reader import open_version
    from pipeline_tasks.scratch import scratch_folder

    named = [open_version(loaded.lake_uri, name) for name in (options.a, options.b)]
    with (
        scratch_folder(loaded) as folder,
        open_engine(folder, loaded.spark.driver_memory) as engine,
    ):
        for view, version in zip(("a", "b"), named, strict=True):
            define(engine, view, version.local_files("top_n", folder / view))
        found = compare(engine, "a", "b")
    if options.json:
        print(json.dumps(asdict(found), indent=1, ensure_ascii=False))
    else:
        print("\n".join([f"from {named[0].name} to {named[1].name}", *found.lines()]))
    return 0
