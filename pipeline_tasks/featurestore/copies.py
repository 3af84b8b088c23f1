"""The lake's feature snapshots as local files for Feast: a night in, a folder that holds what it may see out.

Files lie as <view>/<date>/<digest>.parquet: a name says the content, so only what changed is copied,
and a file is whole once it has its name. What another night left is removed. (A folder called run_date=<d>
would reach Feast as one more column.)
"""

import shutil
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from pipeline_tasks.contracts import FEATURE_VIEWS, Contract
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.lake.tables import Commit

DIGEST_CHARACTERS = 32


def refresh(store: Store, run_date: date, days: int, folder: Path) -> dict[str, dict[date, Commit]]:
    """Make `folder` hold each view's snapshots of the last `days` days up to the night, and nothing else.

    Returns the commits by view and date, oldest first. Raises Refused where the night has no snapshot, and for one
    whose file is not what was committed: a run of `features` that died before its commit has left it.
    """
    return {
        view.name: _refresh_view(store, view, run_date, days, folder / view.name)
        for view in FEATURE_VIEWS.values()
    }


def _refresh_view(
    store: Store, view: Contract, run_date: date, days: int, folder: Path
) -> dict[date, Commit]:
    parent = f"features/{view.name}"
    tables.require_commit(store, layout.night(parent, run_date), "features")
    held: dict[date, Commit] = {}
    for day in (run_date - timedelta(days=back) for back in reversed(range(days))):
        commit = tables.read_commit(store, layout.night(parent, day))
        # a snapshot that a later night wrote did not exist for this one
        if commit is None or commit.facts.get("written_by", str(day)) > str(run_date):
            continue
        copies = _copy(store, layout.night(parent, day), commit, folder / str(day))
        if _has_columns(copies, view):
            held[day] = commit
    if run_date not in held:
        raise Refused(
            f"{store.uri}/{layout.night(parent, run_date)} lacks columns of its contract",
            "run features for this night again",
        )
    _remove_others(folder, {str(day) for day in held})
    return held


def _copy(store: Store, partition: str, commit: Commit, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {folder / f"{digest[:DIGEST_CHARACTERS]}.parquet": name for name, digest in commit.files.items()}
    for path, name in wanted.items():
        if not path.exists():
            arriving = path.with_suffix(".arriving")
            store.download(f"{partition}/{name}", arriving)
            if tables.sha256_of(arriving) != commit.files[name]:
                raise Refused(
                    f"{store.uri}/{partition}/{name} is not the file that was committed",
                    f"run features again for night {commit.facts['written_by']}",
                )
            arriving.replace(path)
    for stray in set(folder.iterdir()) - set(wanted):
        stray.unlink()
    return list(wanted)


def _has_columns(paths: Iterable[Path], view: Contract) -> bool:
    """Say whether the snapshot is of today's contract; an older one with fewer columns is of no use."""
    return all(set(view.names) <= set(pq.read_schema(path).names) for path in paths)


def _remove_others(folder: Path, kept: set[str]) -> None:
    for found in folder.iterdir():
        if found.name not in kept:
            shutil.rmtree(found)
