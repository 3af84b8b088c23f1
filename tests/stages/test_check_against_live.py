"""A night's lists beside those that are live: what holds it back, what has changed, and a live version that is no comparison."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import verdicts
from tests.lists import NIGHT
from tests.stages.staged_night import LISTS, check, go_live


@pytest.mark.parametrize("stops", [["users_lost"], []])
def test_users_who_lose_their_list_hold_a_night_back_or_are_warned_of(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path, stops: list[str]
) -> None:
    settings = settings_of(lake, check={"stops": stops})
    before = {name: ["i1", "i2", "i3"] for name in ("ann", "bob", "cat", "dan")}
    name = go_live(lake, tmp_path / "before", NIGHT - timedelta(days=1), before)
    report = check(settings)
    said = f"25.0% of the users who have a list in {name} have none now (check.limits.users_lost is 0.05)"
    assert report.facts["held_by"] == ([said] if stops else [])
    assert report.facts["warnings"] == ([] if stops else [said])
    assert ("held back: 25.0%" in report.summary) == bool(stops)
    verdict = verdicts.read(lake, NIGHT)
    assert verdict is not None
    assert verdict.passed
    assert verdict.held_by == report.facts["held_by"]


def test_what_changed_since_the_live_version_is_in_the_record_and_the_verdict(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    from pipeline_tasks.publishing import waiting

    settings = settings_of(lake, check={"stops": ["users_lost"]})
    before = {"ann": ["i1", "i2", "i3"], "bob": ["i6", "i4", "i1"], "dan": ["i8"]}  # cat comes, dan goes
    name = go_live(lake, tmp_path / "before", NIGHT - timedelta(days=1), before)
    facts = check(settings).facts
    found = facts["difference"]
    counts = {kind: found[kind] for kind in ("new", "gone", "same", "reordered", "changed", "replaced")}
    assert counts == {"new": 1, "gone": 1, "same": 1, "reordered": 0, "changed": 1, "replaced": 0}
    assert found["kept"] == pytest.approx((1 + 2 / 3) / 2)
    assert facts["against"] == name
    verdict = verdicts.read(lake, NIGHT)
    assert verdict is not None
    assert json.loads(json.dumps(found)) == verdict.difference
    shares = {each["name"]: each["found"] for each in facts["health"]}
    assert shares["users_lost"] == pytest.approx(1 / 3, abs=1e-6)
    assert shares["lists_replaced"] == 0.0
    text = waiting.asked(lake, None)["text"]
    assert f"- against {name}, users 2 in both, 1 new, 1 gone\n" in text
    assert "1 the same, 0 in another order, 1 changed in part, 0 wholly; 83.3% of a list stayed" in text


def test_it_is_held_against_the_newest_version_of_a_night_before_also_when_a_later_one_is_live(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    settings = settings_of(lake)
    before, _ = (go_live(lake, tmp_path / str(days), NIGHT + timedelta(days=days), LISTS) for days in (-1, 1))
    assert check(settings).facts["against"] == before


@pytest.mark.parametrize(("model", "compared"), [("transformer", True), ("popular", False)])
def test_scores_are_held_against_those_of_the_same_kind_of_model_alone(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path, model: str, compared: bool
) -> None:
    settings = settings_of(lake)
    go_live(lake, tmp_path / "before", NIGHT - timedelta(days=1), LISTS, model=model)
    found = {each["name"] for each in check(settings).facts["health"]}
    assert "users_lost" in found
    assert ("score_drift" in found) == compared


def test_without_a_live_version_nothing_has_changed(lake: Store, settings_of: Callable[..., Any]) -> None:
    facts = check(settings_of(lake)).facts
    assert (facts["against"], facts["difference"]) == (None, None)


def test_a_live_version_whose_files_have_gone_is_no_comparison(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    settings = settings_of(lake)
    name = go_live(lake, tmp_path / "before", NIGHT - timedelta(days=1), LISTS)
    lake.delete([f"{layout.version(name)}/top_n/part-00000.parquet"])
    facts = check(settings).facts
    (warning,) = facts["warnings"]
    assert warning.startswith(f"no comparison with {name}: ")
    assert (facts["against"], facts["difference"]) == (None, None)


@pytest.mark.parametrize("how", ["a page", "its columns", "ids of another type"])
def test_a_live_version_that_was_altered_is_no_comparison(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path, how: str
) -> None:
    settings = settings_of(lake)
    name = go_live(lake, tmp_path / "before", NIGHT - timedelta(days=1), LISTS)
    key, path = f"{layout.version(name)}/top_n/part-00000.parquet", tmp_path / "altered.parquet"
    lake.download(key, path)
    if how == "a page":
        whole = path.read_bytes()
        path.write_bytes(whole[:4] + bytes(byte ^ 255 for byte in whole[4:200]) + whole[200:])
    else:
        table = pq.read_table(path)
        numbers = pa.array(range(len(table)))
        altered = (
            table.drop_columns(["score"]) if how == "its columns" else table.set_column(0, "user_id", numbers)
        )
        pq.write_table(altered, path)
    lake.upload(path, key)
    facts = check(settings).facts
    (warning,) = facts["warnings"]
    assert warning.startswith(f"no comparison with {name}: ")
    assert (facts["against"], facts["difference"]) == (None, None)
