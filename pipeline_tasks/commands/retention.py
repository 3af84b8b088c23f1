"""Say what of the lake is old and nobody needs, by layer; with --apply, remove it.

Never what is live, its predecessor, what waits to be released, the champion, nor what a later night reads. Without
--apply nothing changes.
"""

import argparse
import json
import os

from pipeline_tasks.settings import Settings

HELP = "say what is old and not needed, and with --apply remove it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--apply", action="store_true", help="remove it; by default NIGHTJAR_APPLY, which may be true"
    )
    parser.add_argument("--json", action="store_true", help="the plan, with every piece, for programs")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    from pipeline_tasks.lake.store import open_store
    from pipeline_tasks.retention.applying import apply
    from pipeline_tasks.retention.planning import plan
    from pipeline_tasks.retention.wording import lines, size, to_json

    store = open_store(loaded.lake_uri)
    wanted = options.apply or os.environ.get("NIGHTJAR_APPLY", "").lower() == "true"
    found = apply(store, loaded) if wanted else plan(store, loaded)
    if found is None:
        print(f"there are no nights in {store.uri}")
        return 0
    print(json.dumps(to_json(found), indent=1) if options.json else "\n".join(lines(found)))
    if not options.json:
        freed = f"{len(found.goes):,} pieces, {size(sum(piece.bytes for piece in found.goes))}"
        print(
            f"\n{f'Removed {freed}.' if wanted else f'{freed} would go; nothing has been removed: say --apply.'}"
        )
    return 0
