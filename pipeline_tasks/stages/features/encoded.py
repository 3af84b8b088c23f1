"""Vectors kept by content: what a night has in; a vector for each, of which only the new ones were made, out.

The newest partition before the night holds what was encoded already, by the digest of the content. Where the
night adds to it, all that the night uses is its own partition: content that nothing has any more drops out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from pyspark import StorageLevel
from pyspark.sql import DataFrame

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.spark.image_embedding import SCHEMA
from pipeline_tasks.spark.staging import Staging

KEPT = StorageLevel.MEMORY_AND_DISK


@dataclass(frozen=True)
class Encoded:
    """`vectors` has digest and vector (null for content that is none); how many were made and how many kept."""

    vectors: DataFrame
    made: int
    kept: int
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)


def encode_new(
    staging: Staging,
    run_date: date,
    encoder: str,
    wanted: DataFrame,
    encode: Callable[[DataFrame], DataFrame],
) -> Encoded:
    """Return a vector for each row of `wanted`, which has `digest`, once each, and the content.

    `encoder` is the digest of what encodes; `encode` turns the rows that have no vector yet into
    (digest, vector).
    """
    table = layout.encoded(encoder)
    before, inputs = _before(staging, table, run_date)
    kept = before.join(wanted.select("digest"), "digest", "left_semi").persist(KEPT)
    new = wanted.join(before, "digest", "left_anti").persist(KEPT)
    of_before, asked = kept.count(), new.count()
    if not asked:
        return Encoded(kept, 0, of_before, inputs)
    made = encode(new).dropDuplicates(["digest"]).persist(KEPT)
    vectors = kept.unionByName(made)
    place = layout.night(table, run_date)
    commit = staging.write(vectors, place, sort=["digest"])
    return Encoded(vectors, asked, of_before, inputs, {place: commit.digest})


def _before(staging: Staging, table: str, run_date: date) -> tuple[DataFrame, dict[str, str]]:
    newest = tables.newest_before(staging.store, table, run_date)
    if newest is None:
        return staging.spark.createDataFrame([], SCHEMA), {}
    place = layout.night(table, newest)
    commit = tables.require_commit(staging.store, place, "features")
    return staging.read(place, stage="features"), {place: commit.digest}
