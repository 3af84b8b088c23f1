"""dataset: clean tables and feature snapshots in; sequences, catalogue, users, split and examples out.

DuckDB instead of Spark: it sorts and joins a whole history out of memory on one machine, and starts at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline_tasks.blocked import read_blocked
from pipeline_tasks.dataset import catalogue, coverage, engine, events, examples
from pipeline_tasks.evaluation.splits import Holdout, choose_holdout
from pipeline_tasks.featurestore.copies import refresh
from pipeline_tasks.featurestore.joining import feature_fields, join_features
from pipeline_tasks.featurestore.opening import copies_folder, open_feature_store
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.scratch import scratch_folder
from pipeline_tasks.settings import Settings, Source, night_end
from pipeline_tasks.sources import choose

ROWS_A_GROUP = 50_000
SERVICE = "ranking"
# what the queries read besides the history: view, table, and the stage that makes it
VIEWS = {
    "known_users": ("vocabulary/users", "preprocess"),
    "known_items": ("vocabulary/items", "preprocess"),
    "clean_users": ("clean/users", "preprocess"),
    "clean_items": ("clean/items", "preprocess"),
    "item_features": ("features/item_features", "features"),
}


def run(settings: Settings, run_date: date) -> Report:
    """Write the night's training tables; raises Refused where an earlier stage has not run."""
    source = choose(settings).source
    with (
        scratch_folder(settings) as folder,
        engine.open_engine(folder, settings.spark.driver_memory) as connection,
    ):
        night = _Night(settings, run_date, source, open_store(settings.lake_uri), folder, connection)
        engine.define(connection, "clean_interactions", night.history())
        for view, (table, stage) in VIEWS.items():
            engine.define(connection, view, night.read(table, stage))
        events.define_events(connection, source.event_types)
        _write_sequences(night)
        items = _write_catalogue(night)
        if settings.rules.blocked:
            _write_blocked(night)
        holdout = _write_split(night)
        _write_examples(night, holdout, items)
    return night.report(holdout)


@dataclass
class _Night:
    """One run: where it reads and writes, and what it has to tell."""

    settings: Settings
    run_date: date
    source: Source
    lake: Store
    scratch: Path
    connection: duckdb.DuckDBPyConnection
    rows: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def history(self) -> list[Path]:
        """Return the files of all clean interactions up to the night."""
        table = "clean/interactions"
        tables.require_commit(self.lake, layout.night(table, self.run_date), "preprocess")
        commits = tables.chain(self.lake, table, self.run_date)
        self.inputs[table] = f"{min(commits)}..{max(commits)}"
        partitions = {layout.night(table, night): commit for night, commit in commits.items()}
        return tables.files_of(self.lake, partitions, self.scratch / "lake")

    def read(self, table: str, stage: str) -> list[Path]:
        """Return the files of the night's own partition."""
        self.inputs[table] = str(self.run_date)
        partition = layout.night(table, self.run_date)
        return tables.local_files(self.lake, partition, stage, self.scratch / "lake")

    def write(
        self,
        table: str,
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
        **facts: Any,
    ) -> None:
        """Commit the batches as the night's partition of `table`."""
        path = self.scratch / f"{table.replace('/', '-')}.parquet"
        rows = engine.write_row_groups(path, schema, batches, ROWS_A_GROUP)
        partition = layout.night(table, self.run_date)
        commit = tables.write_files(self.lake, partition, [path], rows=rows, facts=facts)
        path.unlink()
        self.rows[table.rpartition("/")[2]] = rows
        self.outputs[partition] = commit.digest

    def report(self, holdout: Holdout) -> Report:
        """Return what the night has to tell."""
        found = self.facts["examples"]
        new = ", who took something new" if self.settings.recommend.exclude_seen else ""
        share = (
            f" ({found['share_with_features']:.1%} of warm ones with features)"
            if found["warm_positives"]
            else ""
        )
        summary = (
            f"{self.rows['sequences']:,} users with {self.facts['events']:,} events, {self.rows['items']:,} items, "
            f"{self.rows['examples']:,} ranking examples{share}, "
            f"holdout of {holdout.days} day{'s' * (holdout.days != 1)} with {holdout.warm_users:,} warm users{new}"
        )
        return Report(summary, self.rows, self.inputs, self.outputs, self.facts)


def _write_sequences(night: _Night) -> None:
    (counted,) = night.connection.execute("SELECT count(*) FROM events").fetchall()
    night.facts["events"] = counted[0]
    folded = events.sequences(events.sorted_events(night.connection))
    night.write(
        "training/sequences",
        events.SEQUENCES,
        folded,
        events=counted[0],
        event_types=night.source.event_types,
        event_weights=list(night.source.events.values()),
    )


def _write_catalogue(night: _Night) -> pa.Table:
    """Write training/items and training/users; return the items."""
    items = catalogue.items(night.connection)
    night.write("training/items", items.schema, items.to_batches())
    people = catalogue.users(night.connection, night.source.segments)
    night.write("training/users", catalogue.USERS, people, segments=list(night.source.segments))
    return items


def _write_blocked(night: _Night) -> None:
    """Write who is not to get what, by index: recommend runs where the files may not be."""
    night.connection.register("pairs", read_blocked(night.settings, night.scratch))
    blocked = night.connection.sql("""
        SELECT coalesce(user_index, 0)::INT AS user_index, coalesce(item_index, 0)::INT AS item_index
        FROM pairs LEFT JOIN known_users USING (user_id) LEFT JOIN known_items USING (item_id)
        WHERE (user_id = '' OR user_index IS NOT NULL) AND (item_id = '' OR item_index IS NOT NULL)
        ORDER BY ALL
    """).to_arrow_table()
    night.write("training/blocked", blocked.schema, blocked.to_batches())


def _write_split(night: _Night) -> Holdout:
    end = int(night_end(night.run_date).timestamp())
    wanted = night.settings.dataset
    novel = night.settings.recommend.exclude_seen
    users, times = events.evidence(night.connection, end, wanted.holdout_max_days, novel=novel)
    holdout = choose_holdout(users, times, end, wanted.holdout_min_users, wanted.holdout_max_days)
    facts = {
        "holdout_days": holdout.days,
        "cut": holdout.cut,
        "end": end,
        "warm_users": holdout.warm_users,
        "enough": holdout.enough,
    }
    split = pa.table({name: [value] for name, value in facts.items()})
    night.write("training/split", split.schema, split.to_batches(), **facts)
    night.facts["holdout"] = facts
    return holdout


def _write_examples(night: _Night, holdout: Holdout, items: pa.Table) -> None:
    """Write the examples before the holdout that snapshots cover, joined to what was known of them at their time."""
    settings = night.settings
    with open_feature_store(settings) as store:
        held = refresh(night.lake, night.run_date, settings.features.snapshots, copies_folder(settings))
        covered_from = max(min(days) for days in held.values()) + timedelta(days=1)
        labelled = _labelled(night, holdout, items, covered_from)
        counted = coverage.Coverage()
        joined = counted.counted(join_features(store, SERVICE, labelled))
        kept = [*examples.FIELDS, "hour_of_week"]
        schema = pa.schema([*(labelled.schema.field(name) for name in kept), *feature_fields()])
        night.write("training/examples", schema, (batch.select(schema.names) for batch in joined))
    night.facts["examples"] = {"from": str(covered_from), **counted.facts()}


def _labelled(night: _Night, holdout: Holdout, items: pa.Table, covered_from: date) -> pa.Table:
    dataset, seed = night.settings.dataset, night.settings.seed
    start, cut = int(night_end(covered_from - timedelta(days=1)).timestamp()), holdout.cut
    positives = examples.sampled_events(
        night.connection, start * events.SECOND, cut * events.SECOND, dataset.max_examples, seed
    )
    unlabelled = examples.labelled(
        night.connection,
        positives,
        _first_seen(items),
        cut * events.SECOND,
        dataset.negatives,
        (seed, night.run_date.toordinal()),
    )
    return examples.keyed(night.connection, unlabelled)


def _first_seen(items: pa.Table) -> NDArray[np.int64]:
    """Return by item index when an item was first seen; one of which that is not known was always there."""
    always = np.iinfo(np.int64).min
    first = np.full(items.num_rows + 1, always)
    first[items["item_index"].to_numpy()] = items["first_seen"].fill_null(always).to_numpy()
    return first
