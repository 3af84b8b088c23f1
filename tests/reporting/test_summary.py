"""The summary tells a night as it was, on a terminal and on a page, and never fails over what is missing."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline_tasks.lake import layout, records, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting import page, samples, text
from pipeline_tasks.reporting.summary import collect
from pipeline_tasks.stages import publish, report
from tests.failing_store import FailingStore
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
def settings(make_settings: Callable[..., Any]) -> Any:
    return make_settings()


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
    lists = {each.user_id: each.places for each in collect(lake, settings, NIGHT).lists}
    assert set(lists) == {"ann"} | ({"bob"} if len(lists) == 2 else set())
    assert [(place.rank, place.item_id, place.title, place.why) for place in lists["ann"]] == [
        (1, "i1", "Kettle", "after Kettle"),
        (2, "i2", EVIL, f"after {EVIL}"),
    ]


def test_a_known_and_an_unknown_user_are_shown() -> None:
    rows = pa.table(
        {
            "user_id": ["ann", "ann", "bob", "cat", "dan", "eve"],
            "rank": [1, 2, 1, 1, 1, 1],
            "source": ["model", "popular", "model", "popular", "model", "popular"],
        }
    )
    assert samples._choose(rows) == ["ann", "cat"]
    assert samples._choose(rows.slice(0, 3)) == ["ann", "bob"]
    assert samples._choose(rows.slice(0, 0)) == []


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
        "For ann",
        "Kettle",
    ):
        assert part in shown
    assert max(len(line) for line in shown.splitlines() if "file://" not in line) <= 200


class Reader(HTMLParser):
    """Collects the text and the tags of a page; raises where a tag is closed that is not open."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(markup)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_shows_the_same_stands_alone_and_escapes_what_it_shows(
    lake: Store, settings: Any, version: str
) -> None:
    made = Reader(page.render(collect(lake, settings, NIGHT)))
    shown = " ".join(" ".join(made.words).split())
    for part in (
        version,
        "2 users served",
        "transformer",
        "0.0714",
        "unknown_item",
        "Kettle",
        EVIL,
        "few users",
    ):
        assert part in shown
    assert "script" not in {tag for tag, _ in made.tags}
    assert not [attrs for _, attrs in made.tags if attrs.keys() & {"src", "href"}]


def test_a_refused_night_says_so_and_shows_what_consumers_still_read(
    lake: Store, settings: Any, version: str
) -> None:
    write_records(lake, validate={"status": "refused", "reason": "items: 40 prices are negative"})
    summary = collect(lake, settings, NIGHT)
    assert (summary.state, summary.version, summary.live) == ("failed", None, version)
    assert "Night 2026-01-10 FAILED: validate refused: items: 40 prices are negative" in text.render(summary)
    assert f"Consumers still read {version}." in text.render(summary)
    assert "items: 40 prices are negative" in page.render(summary)


def test_a_broken_contract_is_shown_rule_by_rule(lake: Store, settings: Any, tmp_path: Path) -> None:
    failures = [{"reason": "top_n: nothing_seen fails 3 times"}, {"reason": "popular: rank fails once"}]
    write_checked(lake, tmp_path, passed=False, failures=failures)
    write_records(lake, "check", check={"status": "refused", "reason": "breaks its contract"})
    summary = collect(lake, settings, NIGHT)
    assert summary.failures == ["top_n: nothing_seen fails 3 times", "popular: rank fails once"]
    assert "popular: rank fails once" in text.render(summary)
    assert "popular: rank fails once" in page.render(summary)


def test_of_an_earlier_run_of_the_night_nothing_is_told(lake: Store, settings: Any, version: str) -> None:
    records.write(lake, record("ingest", hours=5, status="failed", reason="no disk"))
    summary = collect(lake, settings, NIGHT)
    assert (summary.metrics, summary.quarantine) == ({}, [])
    assert {line.status for line in summary.stages[1:]} == {"not run"}


def test_an_empty_lake_has_a_page_too(lake: Store, settings: Any) -> None:
    summary = collect(lake, settings, NIGHT)
    assert (summary.state, summary.verdict) == ("failed", "ingest has not run")
    assert "Nothing is published yet" in text.render(summary)
    assert "No stage has left a record" in page.render(summary)


def test_what_cannot_be_read_is_noted_and_the_rest_is_shown(lake: Store, settings: Any, version: str) -> None:
    lake.write(f"{layout.version(version)}/manifest.json", b"{}")
    key = f"{layout.version(version)}/top_n/part-00000.parquet"
    lake.write(key, b"not parquet")
    summary = collect(lake, settings, NIGHT)
    assert summary.metrics == METRICS
    assert [note.partition(" could not")[0] for note in summary.notes] == ["the version", "users' lists"]
    assert "Not shown" in text.render(summary)


def test_the_report_stage_writes_page_and_json(
    either_lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    settings = make_settings(lake=either_lake.uri)
    write_checked(either_lake, tmp_path)
    write_records(either_lake, "check")
    made = report.run(settings, NIGHT)
    written = json.loads(either_lake.read("reports/2026-01-10/report.json"))
    assert written["verdict"] == "publish has not run"
    assert b"publish has not run" in either_lake.read("reports/2026-01-10/index.html")
    assert made.facts["page"] == f"{either_lake.uri}/reports/2026-01-10/index.html"


def test_a_page_that_cannot_be_drawn_is_recorded_and_fails_nothing(
    lake: Store, settings: Any, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(summary: Any) -> str:
        raise ZeroDivisionError("a chart of nothing")

    monkeypatch.setattr(report.page, "render", broken)
    made = report.run(settings, NIGHT)
    assert "a chart of nothing" in made.facts["error"]
    assert json.loads(lake.read("reports/2026-01-10/report.json"))["version"] == version


def test_a_page_that_cannot_be_written_is_recorded_and_fails_nothing(
    lake: Store, settings: Any, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "open_store", lambda uri: FailingStore(lake, at=1))
    made = report.run(settings, NIGHT)
    assert "the store does not answer" in made.facts["error"]
