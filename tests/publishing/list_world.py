"""A world of lists for queries: what is known and listed, who saw and may have what, and pins."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline_tasks.publishing.places import Night
from pipeline_tasks.publishing.rules import Violations, violations
from tests.lists import cutoff, define_views, files_in, ranked_files, top_n_files, top_n_rows

N = 3


class World:
    """Items i1… with a category and a brand, users u1… with what they saw, and who is not to get what."""

    def __init__(self, folder: Path, lists: dict[str, list[str]], **fields: Any) -> None:
        self.folder, self.lists = folder, lists
        self.items: dict[str, tuple[str | None, str | None, bool]] = fields.pop("items")
        self.seen: dict[str, list[str]] = fields.pop("seen", {})
        self.users: list[str] = fields.pop("users", sorted(lists))
        self.blocked: list[tuple[str, str]] = fields.pop("blocked", [])
        self.pins: list[tuple[str, str, int]] = fields.pop("pins", [])
        self.new: set[str] = fields.pop("new", {"i2"})
        self.popular: dict[str, list[str]] = fields.pop("popular", {"all": ["i1"]})
        self.similar: dict[str, list[str]] = fields.pop("similar", {})
        self.night = Night(
            n=N, cutoff=cutoff(), files=2, exclude_seen=True, shortfall_budget=0, ruled=True, **fields
        )

    def open(self) -> duckdb.DuckDBPyConnection:
        top_n_files(self.folder / "top_n", top_n_rows(self.lists, 2), 2)
        ranked_files(self.folder, self.similar, self.popular)  # type: ignore[arg-type]
        engine = duckdb.connect()
        define_views(engine, self.folder)
        number = {name: place for place, name in enumerate(self.items, 1)}
        pairs = [(u, i) for u, i in self.blocked if u and i]
        small: dict[str, tuple[list[Any], Any]] = {
            "items": (
                [(name, number[name], c, b, there, name in self.new) for name, (c, b, there) in self.items.items()],
                {"item_id": pa.string(), "item_index": pa.int32(), "category": pa.string(), "brand": pa.string(),
                 "available": pa.bool_(), "new": pa.bool_()},
            ),
            "users": (
                [(name, place, [f"country={name}"]) for place, name in enumerate(self.users, 1)],
                {"user_id": pa.string(), "user_index": pa.int32(), "segments": pa.list_(pa.string())},
            ),
            "sequences": (
                [(self.users.index(u) + 1, [number[i] for i in had]) for u, had in self.seen.items()],
                {"user_index": pa.int32(), "items": pa.list_(pa.int32())},
            ),
            "blocked_items": ([(i,) for u, i in self.blocked if not u], {"item_id": pa.string()}),
            "blocked_users": ([(u,) for u, i in self.blocked if not i], {"user_id": pa.string()}),
            "blocked_pairs": (pairs, {"user_id": pa.string(), "item_id": pa.string()}),
            "pins": (
                [(say, *pin) for say, pin in enumerate(self.pins)],
                {"say": pa.int32(), "list": pa.string(), "item_id": pa.string(), "rank": pa.int32()},
            ),
        }  # fmt: skip
        for name, (rows, types) in small.items():
            told = [dict(zip(types, row, strict=True)) for row in rows]
            engine.register(name, pa.Table.from_pylist(told, pa.schema(list(types.items()))))
        return engine

    def violations(self, engine: duckdb.DuckDBPyConnection) -> list[Violations]:
        """Return what breaks rules, and leave the tables that other queries read."""
        found, _ = violations(engine, self.night, files_in(self.folder))
        return found

    def broken(self) -> dict[str, int]:
        with self.open() as engine:
            found = self.violations(engine)
        return {f"{each.table}.{each.rule}": each.count for each in found if each.count}


PLAIN = {f"i{n}": (f"c{n % 2}", f"b{n}", True) for n in range(1, 7)}
