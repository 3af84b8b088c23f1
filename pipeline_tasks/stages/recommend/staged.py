"""The night's three tables as `recommend` stages them: lists by indices in, rows by the source's ids out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.model_store import Saved
from pipeline_tasks.models.interface import Model
from pipeline_tasks.progress import Progress
from pipeline_tasks.publishing.refill import lists_writer
from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.blocks import rank_similar
from pipeline_tasks.ranking.filled import MODEL, SOURCES, Filled, filled_of
from pipeline_tasks.ranking.lists import PopularLists, fill_lists
from pipeline_tasks.ranking.rerank import Reranker
from pipeline_tasks.ranking.shelf import Ranked
from pipeline_tasks.reader import bucket_of
from pipeline_tasks.rules_data import NightRules
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.training_data import TrainingData

TOP_N = pa.schema(
    {
        "user_id": pa.string(),
        "rank": pa.int32(),
        "item_id": pa.string(),
        "score": pa.float32(),
        "source": pa.string(),
        "reason": pa.string(),
        "bucket": pa.int32(),
        "model_version": pa.string(),
        "data_cutoff": pa.timestamp("us", "UTC"),
    }
)


@dataclass(frozen=True)
class Staged:
    """What is known of the night, and where its tables go; each method writes one."""

    settings: Settings
    run_date: date
    store: Store
    data: TrainingData
    saved: Saved
    trials: dict[str, float]
    folder: Path
    rules: NightRules | None = None

    def top_n(self, model: Model | None, reranker: Reranker | None, popular: PopularLists) -> tables.Commit:
        """Write the users' lists, a file a bucket, each by user_id and rank."""
        wanted, data = self.settings.recommend, self.data
        files = wanted.files_for(len(self.listed))
        buckets = np.array([bucket_of(user, files) for user in data.user_ids], dtype=np.int32)
        names = np.array(data.user_ids, dtype=object)
        order = np.array(sorted(self.listed, key=lambda user: (buckets[user], names[user])), dtype=int)
        lists = [*popular.names, *self._pinned_lists(popular)]
        filled = self._filled(model, reranker, popular, order, lists)
        paths = [self.folder / f"top_n-{bucket}.parquet" for bucket in range(files)]
        writers = [lists_writer(path, TOP_N) for path in paths]
        rows, progress = 0, Progress("lists", len(order), "users")
        for block in filled:
            users = order[block.first : block.first + len(block.items)]
            progress.add(len(users))
            table = self._rows(block, names[users], buckets[users], lists)
            rows += table.num_rows
            for bucket in np.unique(buckets[users]):
                writers[bucket].write_table(table.filter(pc.equal(table["bucket"], int(bucket))))
        for writer in writers:
            writer.close()
        return tables.write_files(
            self.store,
            layout.night("staged/top_n", self.run_date),
            paths,
            rows=rows,
            facts=self._facts(files),
        )

    @property
    def listed(self) -> NDArray[np.int64]:
        """The users who get a list, numbered from 0."""
        everyone = np.arange(len(self.data.user_ids))
        return everyone if self.rules is None else np.setdiff1d(everyone, self.rules.blocks.users - 1)

    def _pinned_lists(self, popular: PopularLists) -> list[str]:
        """Return the lists that pins name and that have no popular list."""
        pins = self.settings.rules.pins if self.rules else ()
        return sorted({pin.list for pin in pins if "top_n" in pin.tables} - {"", *popular.names})

    def _filled(
        self,
        model: Model | None,
        reranker: Reranker | None,
        popular: PopularLists,
        order: NDArray[np.int64],
        lists: list[str],
    ) -> Iterator[Filled]:
        """Yield the lists of the users `order`: with rules these choose from more candidates than there are places."""
        wanted, data = self.settings.recommend, self.data
        numbers = {name: number for number, name in enumerate(popular.names)}
        own_list = np.array(
            [next((numbers[each] for each in data.segments[user] if each in numbers), 0) for user in order],
            dtype=np.int64,
        )
        histories = data.histories.of_everyone(len(data.user_ids)).rows(order)
        places, rules, further = wanted.n + wanted.spares, None, None
        barred = Barred.seen(histories) if wanted.exclude_seen else None
        if self.rules is not None:
            barred = self.rules.barred(histories)
            rules, further = self.rules.top_n(order, barred, popular, lists), self.rules.further()
            self.rules.tables["top_n"] = rules
        return fill_lists(
            model,
            reranker,
            histories,
            max(places, self.settings.rules.candidates) if rules else places,
            data.available,
            popular,
            own_list,
            barred=barred,
            users_a_block=wanted.block_users,
            rules=rules,
            further=further,
        )

    def _facts(self, files: int) -> dict[str, object]:
        return {
            "n": self.settings.recommend.n,
            "files": files,
            "users": len(self.listed),
            "model_version": self.saved.version,
            "model_name": self.saved.label,
            "trials": self.trials,
            "model_cutoff": datetime.fromtimestamp(self.saved.cut, UTC).isoformat(),
            "data_cutoff": night_end(self.run_date).isoformat(),
        }

    def _rows(
        self, block: Filled, users: NDArray[np.object_], buckets: NDArray[np.int32], lists: list[str]
    ) -> pa.Table:
        row, place = np.nonzero(block.items)
        source = block.sources[row, place]
        n_items = self.data.catalogue.n_items
        # a reason is an item, or (numbered after the items) a list
        texts = pa.concat_arrays([self.data.item_ids, pa.array(lists, pa.string())])
        reason = block.reasons[row, place].astype(np.int64) + np.where(source == MODEL, 0, n_items + 1)
        return pa.table(
            {
                "user_id": pa.array(users[row], pa.string()),
                "rank": pa.array(place + 1, pa.int32()),
                "item_id": self.data.item_ids.take(pa.array(block.items[row, place])),
                "score": pa.array(block.scores[row, place], pa.float32()),
                "source": pa.array(SOURCES, pa.string()).take(pa.array(source)),
                "reason": texts.take(pa.array(reason)),
                "bucket": pa.array(buckets[row], pa.int32()),
                "model_version": pa.array([self.saved.version] * len(row), pa.string()),
                "data_cutoff": pa.array(
                    [night_end(self.run_date)] * len(row), TOP_N.field("data_cutoff").type
                ),
            },
            schema=TOP_N,
        )

    def similar(self, model: Model) -> tables.Commit:
        """Write each item's neighbours, by item_id and rank."""
        ids, wanted = self.data.item_ids, self.settings.recommend
        k = min(wanted.similar + wanted.spares, self.data.catalogue.n_items) if wanted.similar else 0
        names = np.array(ids.to_pylist()[1:], dtype=object)
        items = np.argsort(names, kind="stable") + 1
        path = self.folder / "similar.parquet"
        fields = {
            "item_id": pa.string(),
            "rank": pa.int32(),
            "similar_item_id": pa.string(),
            "score": pa.float32(),
        }
        rows, progress = 0, Progress("similar items", len(items), "items")
        with pq.ParquetWriter(path, pa.schema(fields), compression="zstd") as writer:
            for ranked in self._neighbours(model, items, k) if k else ():
                progress.add(len(ranked.items))
                row, place = np.nonzero(ranked.items)
                columns = [
                    ids.take(pa.array(items[ranked.first + row])),
                    pa.array(place + 1, pa.int32()),
                    ids.take(pa.array(ranked.items[row, place])),
                    pa.array(ranked.scores[row, place], pa.float32()),
                ]
                writer.write_table(pa.table(columns, schema=pa.schema(fields)))
                rows += len(row)
        partition = layout.night("staged/similar_items", self.run_date)
        return tables.write_files(self.store, partition, [path], rows=rows)

    def _neighbours(self, model: Model, items: NDArray[np.int64], k: int) -> Iterator[Ranked | Filled]:
        rules = self.rules.similar(items) if self.rules else None
        if self.rules is None or rules is None:
            yield from rank_similar(model, items, k, self.data.available)
            return
        self.rules.tables["similar_items"] = rules
        for ranked in rank_similar(model, items, max(k, self.settings.rules.candidates), self.data.available):
            yield rules.apply(filled_of(ranked.first, ranked.items, ranked.scores))

    def popular(self, popular: PopularLists) -> tables.Commit:
        """Write the popular lists, by name and rank."""
        if self.rules is not None:
            popular = self._ruled(popular, self.rules)
        size = self.settings.recommend.popular + self.settings.recommend.spares
        parts = []
        for number in sorted(range(len(popular.names)), key=popular.names.__getitem__):
            name, top = popular.names[number], popular.items[number][:size]
            parts.append(
                pa.table(
                    {
                        "list_name": pa.array([name] * len(top), pa.string()),
                        "rank": pa.array(np.arange(1, len(top) + 1), pa.int32()),
                        "item_id": self.data.item_ids.take(pa.array(top)),
                        "score": pa.array(popular.scores[number][:size], pa.float32()),
                    }
                )
            )
        partition = layout.night("staged/popular", self.run_date)
        return tables.write_table(self.store, partition, pa.concat_tables(parts))

    def _ruled(self, popular: PopularLists, night: NightRules) -> PopularLists:
        """Return the popular lists as their rules make them; a whole list may be looked through: one at a time."""
        rules = night.tables["popular"] = night.popular(popular.names)
        lists = [
            rules.apply(filled_of(number, items[None], scores[None]))
            for number, (items, scores) in enumerate(zip(popular.items, popular.scores, strict=True))
        ]
        there = [each.items[0] > 0 for each in lists]
        return PopularLists(
            popular.names,
            [each.items[0][some] for each, some in zip(lists, there, strict=True)],
            [each.scores[0][some] for each, some in zip(lists, there, strict=True)],
        )
