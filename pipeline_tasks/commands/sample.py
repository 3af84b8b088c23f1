"""Write a realistic shop to try things on."""

import argparse
from pathlib import Path

from pipeline_tasks.settings import parse_run_date

HELP = "write a realistic shop to try things on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--images", action="store_true", help="also draw a PNG for each item")
    parser.add_argument("--end", default="2026-06-30", help="the last day, YYYY-MM-DD")


def run(_: object, options: argparse.Namespace) -> int:
    from pipeline_tasks.sample import write_sample

    counts = write_sample(
        options.out,
        users=options.users,
        items=options.items,
        days=options.days,
        seed=options.seed,
        images=options.images,
        end=parse_run_date(options.end),
    )
    print(f"wrote {', '.join(f'{count:,} {name}' for name, count in counts.items())} to {options.out}")
    return 0
