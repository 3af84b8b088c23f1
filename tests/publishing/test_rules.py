"""Every rule of the published tables finds exactly what breaks it, and what breaks too often is named."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.publishing.rules import Night, Violations, violations
from tests.lists import (
    NIGHT,
    POPULAR,
    SIMILAR,
    TOP_N,
    cutoff,
    define_views,
    files_in,
    ranked_files,
    top_n_files,
    top_n_rows,
)

N, FILES = 3, 2
# every item with its index and whether it can be had, every user, and what they have seen
ITEMS = {f"i{n}": (n, n != 9) for n in range(1, 10)}
USERS = {"ann": 1, "bob": 2, "cat": 3, "dan": 4, "eve": 5}
SEEN = {1: [5, 6, 5], 2: [1, 2, 3, 4, 5, 6, 7, 9], 4: [1]}
GOOD: dict[str, Iterable[str]] = {
    "ann": ["i1", "i2", "i3"],
    "bob": ["i8"],
    "cat": ["i1", "i2", "i3"],
    "dan": ["i2", "i3", "i4"],
    "eve": ["i4", "i5", "i6"],
}
INT, TEXT, FLAG, INTS = pa.int32(), pa.string(), pa.bool_(), pa.list_(pa.int32())


@contextmanager
def database(
    folder: Path,
    top_n: list[dict[str, Any]],
    similar: dict[str, Iterable[str]] | None = None,
    popular: dict[str, Iterable[str]] | None = None,
    items: dict[str, tuple[int, bool]] | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a database with these tables under the names that the rules know."""
    top_n_files(folder / "top_n", top_n, FILES)
    near = {"i1": ["i2"]} if similar is None else similar
    ranked_files(folder, near, {"all": ["i1", "i2"]} if popular is None else popular)
    known = [(name, *rest) for name, rest in (ITEMS if items is None else items).items()]
    tables = {
        "users": rows(USERS.items(), user_id=TEXT, user_index=INT),
        "items": rows(known, item_id=TEXT, item_index=INT, available=FLAG),
        "sequences": rows(SEEN.items(), user_index=INT, items=INTS),
    }
    with duckdb.connect() as engine:
        define_views(engine, folder)
        for name, table in tables.items():
            engine.register(name, table)
        yield engine


def rows(values: Iterable[tuple[Any, ...]], **types: pa.DataType) -> pa.Table:
    found = [dict(zip(types, value, strict=True)) for value in values]
    return pa.Table.from_pylist(found, pa.schema(list(types.items())))


def night(**fields: Any) -> Night:
    return Night(
        **{
            "n": N,
            "cutoff": cutoff(),
            "files": FILES,
            "exclude_seen": True,
            "shortfall_budget": 0.0,
            **fields,
        }
    )


def violated(folder: Path, engine: duckdb.DuckDBPyConnection, **fields: Any) -> list[Violations]:
    found, _ = violations(engine, night(**fields), files_in(folder))
    return found


def broken(found: list[Violations]) -> dict[str, tuple[int, list[str]]]:
    return {f"{each.table}.{each.rule}": (each.count, each.examples) for each in found if each.count}


def test_good_tables_break_nothing(tmp_path: Path) -> None:
    with database(tmp_path, top_n_rows(GOOD, FILES)) as engine:
        found = violated(tmp_path, engine)
    assert broken(found) == {}
    assert len(found) == 60
    assert len({(each.table, each.rule) for each in found}) == 60


def test_everything_that_breaks_a_rule_of_top_n_is_found(tmp_path: Path) -> None:
    listed = top_n_rows(
        {
            "ann": ["i1", "i9", "nope"],
            "bob": ["i8", "i2"],
            "cat": ["i1", "i1", "i3"],
            "dan": ["i2", "i3"],
            "who": ["i1", "i2", "i3"],
        },
        FILES,
    )
    at = {(row["user_id"], row["rank"]): row for row in listed}
    at["ann", 1]["score"] = float("nan")
    at["cat", 2]["score"] = float("inf")
    at["dan", 1]["score"] = None
    at["cat", 3]["rank"] = 5
    at["dan", 2]["rank"] = 1
    at["who", 1]["data_cutoff"] = cutoff(NIGHT.replace(day=9))
    at["who", 2]["bucket"] = 1 - at["who", 2]["bucket"]
    with database(tmp_path, listed) as engine:
        found = broken(violated(tmp_path, engine))
    assert found == {
        "top_n.item_is_known": (1, ["item_id='nope' rows='1'"]),
        "top_n.item_is_available": (1, ["item_id='i9' rows='1'"]),
        "top_n.score_is_finite": (
            2,
            ["user_id='ann' rank='1' item_id='i1'", "user_id='cat' rank='2' item_id='i1'"],
        ),
        "top_n.missing_score": (1, ["user_id='dan' rank='1' item_id='i2' score='None'"]),
        "top_n.cutoff_is_the_nights": (1, ["user_id='who' rank='1' item_id='i1'"]),
        # a row that is in another file is a list of its own
        "top_n.user_is_in_the_file_of_the_bucket": (1, ["user_id='who' file='0'"]),
        "top_n.list_is_in_one_place": (1, ["user_id='who' places='2'"]),
        "top_n.nothing_seen": (1, ["user_id='bob' seen='1'"]),
        "top_n.items_are_distinct": (1, ["user_id='cat' size='3'"]),
        "top_n.ranks_have_no_gaps": (
            3,
            ["user_id='cat' size='3'", "user_id='who' size='1'", "user_id='who' size='2'"],
        ),
        "top_n.key_is_unique": (1, ["user_id='dan' size='2'"]),
        "top_n.list_is_full": (2, ["user_id='dan' size='2' places='3'", "user_id='eve' size='0' places='3'"]),
        "top_n.user_has_a_list": (1, ["user_id='eve'"]),
        "top_n.user_is_known": (2, ["user_id='who' size='1'", "user_id='who' size='2'"]),
    }


def test_a_user_in_another_buckets_file_is_found(tmp_path: Path) -> None:
    listed = top_n_rows(GOOD, FILES)
    paths = top_n_files(tmp_path / "top_n", listed, FILES)
    swapped = [pq.read_table(path) for path in paths][::-1]
    with database(tmp_path, listed) as engine:
        for path, table in zip(paths, swapped, strict=True):
            pq.write_table(table, path)
        found = broken(violated(tmp_path, engine))
    assert found["top_n.user_is_in_the_file_of_the_bucket"][0] == len(GOOD)
    assert found["top_n.bucket_is_the_files"][0] == len(listed)


def test_lists_that_start_late_have_a_gap(tmp_path: Path) -> None:
    listed = top_n_rows(GOOD, FILES)
    for row in listed:
        row["rank"] += row["user_id"] == "ann"
    with database(tmp_path, listed) as engine:
        assert set(broken(violated(tmp_path, engine))) == {"top_n.ranks_have_no_gaps"}


def test_a_list_is_full_with_what_is_eligible(tmp_path: Path) -> None:
    """bob has seen all but i8 and the unavailable i9; were seen items allowed, three places were open."""
    with database(tmp_path, top_n_rows(GOOD, FILES)) as engine:
        found = broken(violated(tmp_path, engine, exclude_seen=False))
    assert found == {"top_n.list_is_full": (1, ["user_id='bob' size='1' places='3'"])}


def test_seen_items_may_be_listed_where_the_settings_say_so(tmp_path: Path) -> None:
    with database(tmp_path, top_n_rows({**GOOD, "bob": ["i1", "i2", "i3"]}, FILES)) as engine:
        assert broken(violated(tmp_path, engine, exclude_seen=False)) == {}


@pytest.mark.parametrize("items", [{}, {name: (index, False) for name, (index, _) in ITEMS.items()}])
def test_where_nothing_is_available_no_list_is_missing(
    tmp_path: Path, items: dict[str, tuple[int, bool]]
) -> None:
    with database(tmp_path, [], {}, {}, items) as engine:
        assert broken(violated(tmp_path, engine)) == {}


def test_everything_that_breaks_a_rule_of_the_small_tables_is_found(tmp_path: Path) -> None:
    similar: dict[str, Iterable[str]] = {"i1": ["i1", "i9", "i2", "i2"], "gone": ["i3"], "i2": ["nope"]}
    popular: dict[str, Iterable[str]] = {"country=DE": ["i1", "i9", "nope", "i1"]}
    with database(tmp_path, top_n_rows(GOOD, FILES), similar, popular) as engine:
        found = broken(violated(tmp_path, engine))
    assert found == {
        "similar_items.not_its_own_neighbour": (1, ["item_id='i1' rank='1' similar_item_id='i1'"]),
        "similar_items.item_is_available": (1, ["similar_item_id='i9' rows='1'"]),
        "similar_items.item_is_known": (1, ["similar_item_id='nope' rows='1'"]),
        "similar_items.owner_is_known": (1, ["item_id='gone' rank='1' similar_item_id='i3'"]),
        "similar_items.items_are_distinct": (1, ["item_id='i1' size='4'"]),
        "popular.item_is_available": (1, ["item_id='i9' rows='1'"]),
        "popular.item_is_known": (1, ["item_id='nope' rows='1'"]),
        "popular.items_are_distinct": (1, ["list_name='country=DE' size='4'"]),
        "popular.the_list_of_all_is_there": (1, ["list_name='all'"]),
    }


def test_columns_of_another_type_are_found(tmp_path: Path) -> None:
    with database(tmp_path, top_n_rows(GOOD, FILES)) as engine:
        engine.register("wrong", POPULAR.empty_table().cast(POPULAR.set(3, pa.field("score", pa.string()))))
        engine.execute(
            "CREATE OR REPLACE VIEW popular AS SELECT * REPLACE (rank::SMALLINT AS rank) FROM wrong"
        )
        (found,) = [
            each
            for each in violated(tmp_path, engine)
            if each.rule == "types_are_the_contracts" and each.count
        ]
    assert (found.table, found.count) == ("popular", 2)
    assert found.examples == ["rank is SMALLINT", "score is VARCHAR"]


def said_of(folder: Path, listed: list[dict[str, Any]], **fields: Any) -> list[str]:
    """Return what is said of small tables of which top_n has these rows."""
    from pipeline_tasks.publishing.rules import broken

    with database(folder, listed) as engine:
        return [str(failure) for failure in broken(violated(folder, engine, **fields))]


def test_what_is_broken_is_named_by_table_rule_count_and_examples(tmp_path: Path) -> None:
    listed = top_n_rows({**GOOD, "ann": ["i9", "i2", "i3"], "eve": ["i4"]}, FILES)
    for row in listed:
        row["score"] = float("nan") if row["user_id"] in ("bob", "cat") else row["score"]
        row["source"] = None if row["user_id"] == "dan" else row["source"]
        row["rank"] = 0 if row["user_id"] == "eve" else row["rank"]
    assert said_of(tmp_path, listed, shortfall_budget=0.19) == [
        "top_n: score_is_finite fails 4 times, as user_id='bob' rank='1' item_id='i8'; "
        "user_id='cat' rank='1' item_id='i1'; user_id='cat' rank='2' item_id='i2'",
        "top_n: missing_source fails 3 times, as user_id='dan' rank='1' item_id='i2' source='None'; "
        "user_id='dan' rank='2' item_id='i3' source='None'; user_id='dan' rank='3' item_id='i4' source='None'",
        "top_n: rank_out_of_range fails 1 times, as user_id='eve' rank='0' item_id='i4'",
        "top_n: item_is_available fails 1 times, as item_id='i9' rows='1'",
        "top_n: ranks_have_no_gaps fails 1 times, as user_id='eve' size='1'",
        "top_n: list_is_full fails 1 times, as user_id='eve' size='1' places='3'",
    ]


@pytest.mark.parametrize("name", ["", "i" * 513])
def test_ids_are_as_long_as_the_contract_allows(tmp_path: Path, name: str) -> None:
    listed = top_n_rows(GOOD, FILES)
    listed[0]["item_id"] = name
    with database(tmp_path, listed) as engine:
        found = broken(violated(tmp_path, engine))
    assert set(found) == {"top_n.item_id_too_long", "top_n.item_is_known"}


def test_short_lists_are_tolerated_up_to_the_budget(tmp_path: Path) -> None:
    with database(tmp_path, top_n_rows({**GOOD, "ann": ["i1", "i2"]}, FILES)) as engine:
        found = {each.rule: each for each in violated(tmp_path, engine, shortfall_budget=0.2)}
    assert (found["list_is_full"].count, found["list_is_full"].tolerated) == (1, 1)
    assert found["user_has_a_list"].tolerated == 0


def test_the_types_of_the_builders_are_those_of_the_contract() -> None:
    from pipeline_tasks.contracts import PUBLISHED_TABLES

    for name, schema in {"top_n": TOP_N, "similar_items": SIMILAR, "popular": POPULAR}.items():
        assert schema.names == PUBLISHED_TABLES[name].names
