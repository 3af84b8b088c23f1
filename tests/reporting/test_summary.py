"""The summary tells a night as it was, on a terminal, and never fails over what is missing."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline_tasks.lake import layout, records, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting import text
from pipeline_tasks.reporting.summary import collect
from pipeline_tasks.stages import publish
from tests.lists import NIGHT
from tests.stages.published_night import record, write_checked, write_records

EVIL = "<script>alert('i2')</script>"
METRICS = {
    "popular": {"recall@10": 0.05, "ndcg@10": 0.0312},
    "challenger transformer": {"recall@10": 0.11, "ndcg@10": 0.0714, "coverage@10": 0.4},
}
ACCOUNT = {
    "table": "interactions", "raw": 985, "rejected": 15, "clean": 900, "quarantined": 40, "in": 1000,
    "cleaned_out": {"bot": 30, "future": 0}, "duplicates": {"exact": 10, "near": 5},
}  # fmt: skip
FACTS = {
    "ingest": {"rejected": {"interactions": {"event_time_not_timestamp": 15}, "users": {}}},
    "validate": {"quarantined": {"interactions": {"unknown_item": 25, "event_type_not_allowed": 15}},
                 "warnings": ["interactions: the newest event is 3 days old"]},
    "preprocess": {"accounts": {"interactions": ACCOUNT}},
    "evaluate": {"metrics": METRICS, "role": "challenger",
                 "serving": {"name": "transformer", "model_version": "2026-01-10-aaaaaaaaaaaa",
                             "reason": "the challenger is better than popular"}},
}  # fmt: skip


@pytest.fixture
def version(lake: Store, settings: Any, tmp_path: Path) -> str:
    """A night with every record and fact that went live; i2 has a title that means harm. Its version."""
    verdict = write_checked(lake, tmp_path / "version", warnings=["few users"])
    publish.run(settings, NIGHT)
    write_records(
        lake, **{stage: {"facts": facts, "rows": {"things": 1234}} for stage, facts in FACTS.items()}
    )
    tables.write_table(
        lake,
        layout.night("training/items", NIGHT),
        pa.table({"item_id": ["i1", "i2", "i3"], "title": ["Kettle", EVIL, None]}),
    )
    return verdict.version


def test_a_live_night_is_told_whole(lake: Store, settings: Any, version: str) -> None:
    summary = collect(lake, settings, NIGHT)
    assert (summary.state, summary.version, summary.live) == ("live", version, version)
    assert (summary.users, summary.n) == (2, 2)
    assert summary.rows == {"top_n": 4, "similar_items": 1, "popular": 2}
    assert summary.serving["name"] == "transformer"
    assert summary.metrics == METRICS
    assert list(summary.metrics) == ["challenger transformer", "popular"]
    assert list(summary.metrics["challenger transformer"]) == ["ndcg@10", "recall@10", "coverage@10"]
    (kept_out,) = [each for each in summary.quarantine if each.rows]
    assert (kept_out.table, kept_out.rows_in, kept_out.rows) == ("interactions", 1000, 100)
    assert kept_out.reasons == [
        ("bot", 30), ("unknown_item", 25), ("event_time_not_timestamp", 15), ("event_type_not_allowed", 15),
        ("duplicate (exact)", 10), ("duplicate (near)", 5),
    ]  # fmt: skip
    assert summary.warnings == ["few users", "validate: interactions: the newest event is 3 days old"]
    assert [line.stage for line in summary.stages] == list(records.STAGES[:11])
    assert summary.notes == []
    json.dumps(summary.to_json())


def test_two_users_lists_have_titles_and_reasons(lake: Store, settings: Any, version: str) -> None:
    lists = {each.user_id: each.places for each in collect(lake, settings, NIGHT).people}
    assert lists
    assert set(lists) <= {"ann", "bob"}
    titles = {"i1": "Kettle", "i2": EVIL}
    for user, items in {"ann": ["i1", "i2"], "bob": ["i2", "i1"]}.items():
        if user in lists:
            assert [(place.rank, place.title, place.why) for place in lists[user]] == [
                (rank, titles[item], f"after {titles[item]}") for rank, item in enumerate(items, 1)
            ]


def test_the_terminal_shows_what_a_person_asks_first(lake: Store, settings: Any, version: str) -> None:
    shown = text.render(collect(lake, settings, NIGHT))
    for part in (
        f"Night 2026-01-10 is live: {version}, entry 1 of the log",
        "2 users served, N = 2: 4 rows of top_n",
        "Serving: transformer (2026-01-10-aaaaaaaaaaaa)",
        "the challenger is better than popular",
        "ndcg@10",
        "0.0714",
        "interactions: 100 of 1,000 (10.0%): bot 30, unknown_item 25",
        f"{lake.uri}/recommendations/versions/{version}/",
        "For ",
        "Kettle",
    ):
        assert part in shown
    assert max(len(line) for line in shown.splitlines() if "file://" not in line) <= 200


def test_a_refused_night_says_so_and_shows_what_consumers_still_read(
    lake: Store, settings: Any, version: str
) -> None:
    write_records(lake, validate={"status": "refused", "reason": "items: 40 prices are negative"})
    summary = collect(lake, settings, NIGHT)
    assert (summary.state, summary.version, summary.live) == ("failed", None, version)
    assert "Night 2026-01-10 FAILED: validate refused: items: 40 prices are negative" in text.render(summary)
    assert f"Consumers still read {version}." in text.render(summary)


def test_a_broken_contract_is_shown_rule_by_rule(lake: Store, settings: Any, tmp_path: Path) -> None:
    failures = [{"reason": "top_n: nothing_seen fails 3 times"}, {"reason": "popular: rank fails once"}]
    write_checked(lake, tmp_path, passed=False, failures=failures)
    write_records(lake, "check", check={"status": "refused", "reason": "breaks its contract"})
    summary = collect(lake, settings, NIGHT)
    assert summary.failures == ["top_n: nothing_seen fails 3 times", "popular: rank fails once"]
    assert "popular: rank fails once" in text.render(summary)


def test_of_an_earlier_run_of_the_night_nothing_is_told(lake: Store, settings: Any, version: str) -> None:
    records.write(lake, record("ingest", hours=5, status="failed", reason="no disk"))
    summary = collect(lake, settings, NIGHT)
    assert (summary.metrics, summary.quarantine) == ({}, [])
    assert {line.status for line in summary.stages[1:]} == {"not run"}


def test_an_empty_lake_has_a_page_too(lake: Store, settings: Any) -> None:
    summary = collect(lake, settings, NIGHT)
    assert (summary.state, summary.verdict) == ("failed", "ingest has not run")
    assert "Nothing is published yet" in text.render(summary)


def test_what_cannot_be_read_is_noted_and_the_rest_is_shown(lake: Store, settings: Any, version: str) -> None:
    lake.write(f"{layout.version(version)}/manifest.json", b"{}")
    key = f"{layout.version(version)}/top_n/part-00000.parquet"
    lake.write(key, b"not parquet")
    summary = collect(lake, settings, NIGHT)
    assert summary.metrics == METRICS
    assert [note.partition(" could not")[0] for note in summary.notes] == ["the version", "users' lists"]
    assert "Not shown" in text.render(summary)


def test_the_terminal_says_what_live_lists_came_to(lake: Store, settings: Any, version: str) -> None:
    found = {
        "night": "2026-01-09", "day": "2026-01-10", "users": 1234,
        "metrics": {"live": {"ndcg@10": 0.25}}, "intervals": {"live": {"ndcg@10": [0.2, 0.3]}},
    }  # fmt: skip
    records.write(lake, record("report", facts={"online": found}))
    shown = text.render(collect(lake, settings, NIGHT))
    assert "The lists of 2026-01-09, judged by what 1,234 users did on 2026-01-10" in shown
    assert "ndcg@10 0.2500 (0.2000 to 0.3000)" in shown
    records.write(lake, record("report", hours=-3, facts={"online": found}))
    assert "judged by" not in text.render(collect(lake, settings, NIGHT))
