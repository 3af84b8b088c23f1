"""A realistic sample shop: sizes, days and a seed come in, a folder of source files comes out."""

from datetime import date
from pathlib import Path


def write_sample(
    out: Path, users: int, items: int, days: int, seed: int, images: bool, end: date
) -> dict[str, int]:
    """Write a shop of so many users and items over `days` days up to `end` to the folder `out`.

    The same arguments give the same bytes. Returns the rows of each table; `out/sample.json` says what was
    planted. Raises Refused for impossible numbers or a folder that holds something else.
    """
    from pipeline_tasks.sample.plan import Plan
    from pipeline_tasks.sample.writer import write_folder

    return write_folder(Plan(users, items, days, seed, images, end), out)
