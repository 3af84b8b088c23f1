"""The check reads availability anew, writes the final files once, and lets nothing broken pass."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store, StoreError
from pipeline_tasks.publishing import log, verdicts, verification, versions
from tests.failing_store import FailingStore, Killed, content
from tests.lists import NIGHT, top_n_rows
from tests.stages.published_night import write_records
from tests.stages.staged_night import (
    FILES,
    LISTS,
    SETTINGS,
    check,
    go_live,
    rename_available,
    write_lists,
    write_source,
    write_staged,
)

GONE = {"item": "i2", "updated_at": "2026-01-10T18:00:00Z", "available": False}


def final(store: Store, version: str, table: str, folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a table of a version, in order."""
    rows = []
    for number, key in enumerate(store.keys(f"{layout.version(version)}/{table}/")):
        store.download(key, folder / f"{table}-{number}")
        rows += pq.read_table(folder / f"{table}-{number}").to_pylist()
    return rows


def lists(store: Store, version: str, folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in final(store, version, "top_n", folder):
        found.setdefault(row["user_id"], []).append(row["item_id"])
        assert row["rank"] == len(found[row["user_id"]])
    return found


def test_what_was_sold_out_since_is_replaced_by_spares(
    either_lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    report = check(settings_of(either_lake, GONE))
    verdict = verdicts.read(either_lake, NIGHT)
    assert verdict is not None
    assert verdict.passed
    assert verdict.version == report.facts["version"]
    assert lists(either_lake, verdict.version, tmp_path) == {
        "ann": ["i1", "i3", "i4"],
        "bob": ["i6", "i5", "i4"],
        "cat": ["i1", "i3", "i4"],
    }
    similar = final(either_lake, verdict.version, "similar_items", tmp_path)
    assert [(row["item_id"], row["rank"], row["similar_item_id"]) for row in similar] == [
        ("i3", 1, "i1"),
        ("i4", 1, "i1"),
    ]
    popular = final(either_lake, verdict.version, "popular", tmp_path)
    assert [(row["list_name"], row["item_id"]) for row in popular] == [
        ("all", "i1"), ("all", "i3"), ("all", "i4"), ("country=DE", "i1"),
    ]  # fmt: skip
    manifest = versions.verify(either_lake, verdict.version, verdict.manifest_sha256)
    assert (manifest["n"], manifest["users"], manifest["availability"]["unavailable"]) == (3, 3, 1)
    assert manifest["model"]["cutoff"] == "2026-01-08T00:00:00+00:00"
    assert report.rows == {"top_n": 9, "similar_items": 2, "popular": 4}


def test_checking_again_makes_the_same_version_and_changes_nothing(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    settings = settings_of(lake, GONE)
    first = check(settings)
    before = content(lake, "recommendations/")
    later = {**GONE, "item": "i3", "updated_at": "2026-01-11T00:00:00Z"}
    write_source(tmp_path / "data", [GONE, later])
    again = check(settings)
    assert again.facts["version"] == first.facts["version"]
    assert content(lake, "recommendations/") == before
    assert "again" in again.summary


def test_what_verify_says_of_an_altered_file_of_the_live_version_mends_it(
    lake: Store, settings_of: Callable[..., Any]
) -> None:
    settings = settings_of(lake, GONE)
    version, run_date = check(settings).facts["version"], str(NIGHT)
    change = log.Change(version, run_date, version_sha256(lake, version), "publish", "a test", "a night")
    log.append(lake, change, lambda live: None)
    before, (file, *_) = content(lake), lake.keys(f"{layout.version(version)}/top_n/")
    lake.write(file, b"!")
    (fault,) = verification.look(lake, version).faults
    folder = f"{lake.uri}/{layout.version(version)}"
    assert fault == (
        f"{lake.uri}/{file} has been altered since it was checked (run check for {NIGHT} again, once {folder} is removed)"
    )
    lake.delete(lake.keys(f"{layout.version(version)}/"))
    check(settings)
    assert verification.look(lake, version).faults == []
    assert content(lake) == before


def version_sha256(store: Store, version: str) -> str:
    return hashlib.sha256(store.read(f"{layout.version(version)}/{versions.MANIFEST}")).hexdigest()


def test_an_item_whose_availability_cannot_be_read_is_sold_out_and_told(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    report = check(settings_of(lake, {**GONE, "available": "out of stock"}))
    assert "i2" not in lists(lake, report.facts["version"], tmp_path)["ann"]
    assert (
        "items whose newest version says of available what cannot be read count as sold out: 1, as 'i2'"
        in report.facts["warnings"]
    )


def test_that_no_row_says_whether_its_item_is_available_is_told(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    said = "items.available is mapped to 'available', which no row has: every item counts as available"
    settings = settings_of(lake, GONE)
    assert said not in check(settings).facts["warnings"]
    rename_available(tmp_path / "data")
    assert said in check(settings).facts["warnings"]


def test_hours_after_the_night_count_where_the_settings_say_so(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    later = {**GONE, "updated_at": "2026-01-11T03:00:00Z"}
    report = check(settings_of(lake, later, check={"availability_hours": 4}))
    assert "i2" not in lists(lake, report.facts["version"], tmp_path)["ann"]
    assert report.facts["removed"]["top_n"] == 3


def test_a_broken_list_is_refused_by_name_and_stays_unpublished(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    settings = settings_of(lake)
    write_lists(
        lake, tmp_path / "bad", NIGHT, top_n_rows({**LISTS, "ann": ["i7", "i1"], "who": ["i1"]}, FILES)
    )
    with pytest.raises(Refused) as refused:
        check(settings)
    assert "top_n: user_is_known fails 1 times, as user_id='who' size='1'" in refused.value.reason
    assert "2 more rules" in refused.value.reason
    verdict = verdicts.read(lake, NIGHT)
    assert verdict is not None
    assert not verdict.passed
    assert {failure["expectation"] for failure in verdict.failures} == {
        "nothing_seen", "user_is_known", "list_is_full",
    }  # fmt: skip
    assert log.newest(lake) is None


def test_a_broken_list_names_nobody_where_people_are_not_shown(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    from pipeline_tasks.notifying.message import write_message
    from pipeline_tasks.reporting import text
    from pipeline_tasks.reporting.summary import collect
    from pipeline_tasks.stages import report

    settings = settings_of(lake, report={"people": 0})
    bad = top_n_rows({**LISTS, "Doe, Jane": ["i1"], "ann": ["i7", "i1"]}, FILES)
    write_lists(lake, tmp_path / "bad", NIGHT, bad)
    with pytest.raises(Refused) as refused:
        check(settings)
    assert "top_n: user_is_known fails 1 times (and 2 more rules are broken)" in refused.value.reason
    write_records(lake, "check", check={"status": "refused", "reason": refused.value.reason})
    report.run(settings, NIGHT)
    told = [lake.read(key).decode() for key in lake.keys("reports/") if not key.endswith(".png")]
    told += [text.render(collect(lake, settings, NIGHT)), write_message(settings, NIGHT, "ended").text]
    told += [str(refused.value)]
    assert len(told) == 6
    assert all("user_is_known fails 1 times" in each for each in told)
    assert not [each for each in told if "Doe" in each or "ann'" in each]
    verdict = verdicts.read(lake, NIGHT)
    assert verdict is not None
    assert "Doe, Jane" in str([each["examples"] for each in verdict.failures])
    assert "Doe" not in str([each["reason"] for each in verdict.failures])


def test_more_short_lists_than_the_budget_are_refused(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    sold = [{**GONE, "item": name} for name in ("i2", "i3", "i4", "i5")]
    with pytest.raises(
        Refused, match=r"list_is_full fails 1 times, as user_id='cat' size='2' places='3'.*recommend\.spares"
    ):
        check(settings_of(lake, *sold))


def test_with_fewer_items_than_places_lists_are_as_long_as_they_can_be(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    sold = [{**GONE, "item": name} for name in ("i1", "i2", "i3", "i4", "i5", "i7", "i8")]
    report = check(settings_of(lake, *sold))
    assert lists(lake, report.facts["version"], tmp_path) == {"ann": ["i6"], "bob": ["i6"], "cat": ["i6"]}
    assert report.facts["warnings"] == [
        "87.5% of the known items cannot be had (check.limits.unavailable is 0.5)"
    ]


def test_a_night_without_users_makes_an_empty_version(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    settings = settings_of(lake)
    write_staged(lake, tmp_path / "empty", lists={})
    report = check(settings)
    assert report.rows["top_n"] == 0
    assert report.facts["users"] == 0


def test_a_source_without_items_has_all_of_them(
    lake: Store, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    settings = settings_of(lake, sources=only_interactions())
    assert check(settings).facts["availability"]["unavailable"] == 0


def only_interactions() -> dict[str, Any]:
    columns = {"user_id": "user", "item_id": "item", "event_time": "time"}
    return {"shop": {"interactions": {"uri": "interactions/*.csv", "format": "csv", "columns": columns},
                     "items": None, "users": None}}  # fmt: skip


def test_without_staged_lists_the_stage_before_is_named(
    make_settings: Callable[..., Any],
) -> None:
    with pytest.raises(Refused, match=r"no table .*staged/top_n.*run recommend"):
        check(make_settings(**SETTINGS))


@pytest.mark.parametrize("left", [None, 0, 50, 300])
@pytest.mark.parametrize(
    ("table", "stage"),
    [
        ("staged/top_n", "recommend"),
        ("staged/popular", "recommend"),
        ("training/items", "dataset"),
        ("training/users", "dataset"),
        ("training/sequences", "dataset"),
    ],
)
def test_a_damaged_file_is_named_with_the_stage_that_makes_it(
    lake: Store, settings_of: Callable[..., Any], table: str, stage: str, left: int | None
) -> None:
    settings = settings_of(lake)
    key = next(key for key in lake.keys(f"{layout.night(table, NIGHT)}/") if key.endswith(".parquet"))
    data = lake.read(key)
    lake.delete([key])
    if left is not None:
        lake.write(key, data[:left])
    with pytest.raises(Refused) as refused:
        check(settings)
    state = "is missing" if left is None else f"has been altered since {stage} wrote it"
    assert refused.value.reason == f"{lake.uri}/{key} {state}"
    assert refused.value.hint.startswith(f"run {stage} for its night again")


def test_a_crash_at_any_write_leaves_what_is_live_and_a_rerun_heals(
    lake: Store,
    settings_of: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pipeline_tasks.stages import check as stage

    settings = settings_of(lake)
    go_live(lake, tmp_path / "live", NIGHT - timedelta(days=1), LISTS)
    live = content(lake, "recommendations/")
    write_source(Path(settings.data), [GONE])
    monkeypatch.setattr(stage, "broken", lambda *_: [])
    # two files of top_n, one of each other table, the manifest, the verdict; then only the verdict is missing
    for at, when in [*((at, "before") for at in range(1, 7)), (1, "after")]:
        error: BaseException = Killed() if at % 2 else StoreError("No space left on device")
        broken = FailingStore(lake, at, when, error)  # type: ignore[arg-type]
        monkeypatch.setattr(stage, "open_store", lambda uri, broken=broken: broken)
        with pytest.raises(type(error)):
            check(settings)
        found = content(lake, "recommendations/")
        assert {key: found[key] for key in live} == live
    monkeypatch.undo()
    report = check(settings)
    assert json.loads(lake.read(layout.verdict(NIGHT)))["version"] == report.facts["version"]
