"""A night reads the first declared source that is there, and a lake keeps to it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.settings import Settings
from pipeline_tasks.sources import choose, claim_lake, declared, files, identity, owner_of
from tests.sources_on_disk import declare, write_csv, write_interactions

Make = Callable[..., Settings]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_auto_takes_the_first_declared_source_whose_interactions_are_there(
    make_settings: Make, data: Path
) -> None:
    write_csv(data / "ratings.csv", "userId,movieId,rating,timestamp")
    write_csv(data / "movies.csv", "movieId,title,genres")
    chosen = choose(make_settings())
    assert chosen.name == "movielens"
    assert files(chosen.source.interactions) == [(data / "ratings.csv").as_uri()]
    assert chosen.source.users is None  # users.csv is optional
    assert declared(chosen, "users") is None


def test_the_first_declared_goes_before_the_second(make_settings: Make, data: Path) -> None:
    for name in (
        "ratings.csv",
        "movies.csv",
        "items.jsonl",
        "users.csv",
        "interactions/arrived=2026-01-01.csv",
    ):
        write_csv(data / name, "x")
    assert choose(make_settings()).name == "shop"
    assert choose(make_settings(source="movielens")).name == "movielens"


def test_nothing_found_says_what_was_looked_for(make_settings: Make, data: Path) -> None:
    with pytest.raises(Refused) as refused:
        choose(make_settings())
    assert f"{data.as_uri()}/interactions/*.csv (source shop)" in str(refused.value)
    assert f"{data.as_uri()}/ratings.csv (source movielens)" in str(refused.value)
    assert "NIGHTJAR_DATA" in refused.value.hint
    with pytest.raises(Refused, match=r"ratings\.csv \(source movielens\)"):
        choose(make_settings(source="movielens"))


def test_an_undeclared_source_is_refused_with_those_that_are_allowed(make_settings: Make) -> None:
    with pytest.raises(Refused, match=r"'nowhere' is not declared \(allowed: auto, .*movielens"):
        choose(make_settings(source="nowhere"))


def test_a_declared_table_that_is_not_there_is_refused_unless_it_is_optional(
    make_settings: Make, data: Path
) -> None:
    write_interactions(data, "u,i")
    with pytest.raises(
        Refused, match=r"source tiny has no items: .*/items\.jsonl .*tiny\.items\.optional = true"
    ):
        choose(make_settings(**declare(items={})))
    assert choose(make_settings(**declare(items={"optional": True}))).source.items is None


def test_the_identity_is_where_the_interactions_lie_unless_it_is_declared(
    make_settings: Make, data: Path
) -> None:
    write_interactions(data, "u,i")
    settings = make_settings(**declare())
    assert identity(settings, choose(settings)) == f"{data.as_uri()}/interactions/*.csv"
    named = declare()
    named["sources"]["tiny"]["identity"] = "our shop"
    settings = make_settings(**named)
    assert identity(settings, choose(settings)) == "our shop"


def test_a_lake_belongs_to_the_first_source_that_claims_it(either_lake: Any) -> None:
    assert owner_of(either_lake) is None
    claim_lake(either_lake, "our shop")
    claim_lake(either_lake, "our shop")
    assert json.loads(either_lake.read(layout.IDENTITY)) == {"source": "our shop"}
    with pytest.raises(Refused, match="belongs to the source our shop, not to another"):
        claim_lake(either_lake, "another")
    assert owner_of(either_lake) == "our shop"


def test_of_two_sources_that_claim_at_once_one_is_refused(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    create = lake.create

    def late(key: str, content: bytes) -> None:
        create(key, json.dumps({"source": "the faster"}).encode())
        create(key, content)

    monkeypatch.setattr(lake, "create", late)
    with pytest.raises(Refused, match="belongs to the source the faster"):
        claim_lake(lake, "the slower")
