"""Sizes in, a live version of random lists by the product's own writing code out, in bounded memory. See reader.py."""

import argparse
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, versions
from pipeline_tasks.publishing.log import Change
from pipeline_tasks.publishing.refill import LISTS, lists_writer, refill_file
from pipeline_tasks.reader import bucket_of
from pipeline_tasks.settings import night_end
from pipeline_tasks.stages.recommend.staged import TOP_N

USERS_AT_A_TIME = 20_000
MODEL = "2026-01-10-aaaaaaaaaaaa"


def publish(folder: Path, stores: list[Store], night: date, options: argparse.Namespace) -> dict[str, Any]:
    """Write the lists, upload them to each store and make them live there; return sizes and seconds."""
    begin = time.perf_counter()
    files = {"top_n": _final(folder, night, options)}
    written = time.perf_counter() - begin
    facts = {"n": options.n, "users": options.users, "model": {"name": "random", "version": MODEL}}
    manifest = versions.describe(night, files, facts)
    for store in stores:
        versions.upload(store, manifest, files)
        change = Change(manifest.version, str(night), manifest.sha256, "publish", "benchmark", "to be read")
        log.append(store, change, lambda live: None)
    described = manifest.content["tables"]["top_n"]
    return {
        "rows": described["rows"],
        "bytes": sum(file["bytes"] for file in described["files"]),
        "footer_bytes": [file["footer"]["bytes"] for file in described["files"]],
        "row_groups": [pq.read_metadata(path).num_row_groups for path in files["top_n"]],
        "written_seconds": written,
    }


def _final(folder: Path, night: date, options: argparse.Namespace) -> list[Path]:
    """Stage each file's lists, then finish it as `check` does."""
    generator = np.random.default_rng(options.seed)
    items = _ids(generator, options.items)
    names = _ids(generator, options.users).tolist()
    buckets: list[list[str]] = [[] for _ in range(options.files)]
    for name in names:
        buckets[bucket_of(name, options.files)].append(name)
    staged, final = folder / "staged.parquet", folder / "final"
    final.mkdir()
    targets = [final / f"part-{bucket:05d}.parquet" for bucket in range(options.files)]
    for bucket, target in enumerate(targets):
        with lists_writer(staged, TOP_N) as writer:
            for rows in _rows(generator, sorted(buckets[bucket]), items, bucket, night, options.n):
                writer.write_table(rows)
        refill_file(staged, target, LISTS["top_n"], pa.array([], pa.string()), options.n)
        staged.unlink()
    return targets


def _ids(generator: np.random.Generator, count: int) -> NDArray[np.object_]:
    """Return different random ids of 16 hexadecimal digits."""
    found: set[str] = set()
    while len(found) < count:
        found |= {f"{number:016x}" for number in generator.integers(0, 1 << 63, count - len(found))}
    return np.array(sorted(found), dtype=object)


def _rows(
    generator: np.random.Generator,
    users: list[str],
    items: NDArray[np.object_],
    bucket: int,
    night: date,
    n: int,
) -> Iterator[pa.Table]:
    """Yield lists of `n` random items, scores falling, each item after one of five of the user's own."""
    texts = pa.array(items, pa.string())
    for first in range(0, len(users), USERS_AT_A_TIME):
        block = users[first : first + USERS_AT_A_TIME]
        size = len(block) * n
        scores = np.sort(generator.random((len(block), n), dtype=np.float32), axis=1)[:, ::-1]
        own = generator.integers(0, len(items), (len(block), 5))
        reason = np.take_along_axis(own, generator.integers(0, 5, (len(block), n)), axis=1)
        yield pa.table(
            {
                "user_id": pa.array(np.repeat(np.array(block, dtype=object), n), pa.string()),
                "rank": pa.array(np.tile(np.arange(1, n + 1, dtype=np.int32), len(block))),
                "item_id": texts.take(pa.array(generator.integers(0, len(items), size))),
                "score": pa.array(scores.ravel()),
                "source": pa.repeat("model", size),
                "reason": texts.take(pa.array(reason.ravel())),
                "bucket": pa.array(np.full(size, bucket, dtype=np.int32)),
                "model_version": pa.repeat(MODEL, size),
                "data_cutoff": pa.repeat(pa.scalar(night_end(night), TOP_N.field("data_cutoff").type), size),
            },
            schema=TOP_N,
        )
