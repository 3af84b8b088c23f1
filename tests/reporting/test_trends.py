"""Earlier nights are read from what their reports kept: bounded, strictly before, and whatever some of them hold."""

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting import charts, figures, strips, trends
from pipeline_tasks.reporting.charts import Series
from pipeline_tasks.reporting.trends import Line
from tests.lists import NIGHT

CONTENT = {
    "state": "live", "verdict": "well", "version": "v", "users": 10, "rows": {"top_n": 200},
    "serving": {"name": "transformer", "role": "champion"},
    "metrics": {"champion transformer": {"ndcg@5": 0.3, "recall@5": 0.4}, "ease": {"ndcg@5": 0.2},
                "popular": {"ndcg@5": 0.1}, "challenger transformer": {"ndcg@5": 0.25}},
    "intervals": {"champion transformer": {"ndcg@5": [0.28, 0.32]}},
    "online": {"users": 7, "metrics": {"live": {"ndcg@5": 0.21, "recall@5": 0.35}, "popular": {"ndcg@5": 0.05}},
               "intervals": {"live": {"ndcg@5": [0.1, 0.3], "recall@5": [0.3, 0.4]}}},
    "accounts": {"interactions": {"clean": 900}},
    "quarantine": [{"table": "interactions", "rows": 100, "rows_in": 1000, "reasons": []}],
    "stages": [{"stage": "ingest", "status": "done", "seconds": 2.5, "peak_rss_bytes": 5},
               {"stage": "train", "status": "done", "seconds": 4.0, "peak_rss_bytes": 9}],
}  # fmt: skip


def put(lake: Store, night: date, **content: Any) -> None:
    told = {**CONTENT, "run_date": str(night), **content}
    lake.write(f"{layout.report(night)}/report.json", json.dumps(told).encode())


def test_a_line_is_what_the_report_told(either_lake: Store) -> None:
    put(either_lake, NIGHT)
    (found,), unreadable = trends.lines(either_lake, 10)
    assert found == Line(
        run_date="2026-01-10", state="live", verdict="well", version="v", model="transformer",
        ndcg=0.3, ndcg_interval=[0.28, 0.32], baseline=0.2, online=0.21, online_interval=[0.1, 0.3],
        popular=0.05, online_recall=0.35, online_recall_interval=[0.3, 0.4], online_users=7, users=10, rows=200,
        events=900, kept_out=100, kept_out_share=0.1, seconds=6.5, peak_rss_bytes=9,
    )  # fmt: skip
    assert unreadable == []


def test_only_the_newest_nights_strictly_before_are_read(lake: Store) -> None:
    for back in range(-3, 9):
        put(lake, NIGHT - timedelta(days=back))
    found, _ = trends.lines(lake, 4, before=NIGHT)
    assert [each.run_date for each in found] == ["2026-01-06", "2026-01-07", "2026-01-08", "2026-01-09"]
    assert len(trends.lines(lake, 100)[0]) == 12


@pytest.mark.parametrize("data", [b"", b"no json", b"[]", b"{}", b'{"run_date": "2026-01-09", "state": 1}',
                                  b'{"run_date": "2026-01-08", "state": "live", "verdict": ""}',
                                  b'{"run_date": "2026-01-09", "state": "", "verdict": "", "stages": [{}]}'])  # fmt: skip
def test_a_report_that_cannot_be_read_is_named_and_passed_over(lake: Store, data: bytes) -> None:
    put(lake, NIGHT)
    lake.write("reports/2026-01-09/report.json", data)
    lake.write("reports/notes/report.json", b"not of a night")
    found, unreadable = trends.lines(lake, 10)
    assert [each.run_date for each in found] == ["2026-01-10"]
    assert len(unreadable) == 1
    assert "reports/2026-01-09/report.json" in unreadable[0]


def test_what_is_too_large_is_not_read(lake: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trends, "MOST_BYTES", 100)
    put(lake, NIGHT)
    assert trends.lines(lake, 10)[0] == []


def test_a_report_of_an_older_kind_gives_what_it_has(lake: Store) -> None:
    old = {"intervals", "online", "accounts"}
    told = {name: value for name, value in CONTENT.items() if name not in old}
    lake.write("reports/2026-01-10/report.json", json.dumps({**told, "run_date": "2026-01-10"}).encode())
    (found,), _ = trends.lines(lake, 10)
    assert (found.ndcg, found.online, found.events) == (0.3, None, None)


def line(day: int, **fields: Any) -> Line:
    return Line(f"2026-01-{day:02}", "live", "", **fields)


def test_a_first_night_that_takes_in_everything_does_not_dwarf_the_others() -> None:
    nights = [line(1, events=90_000), line(2, events=1_500), line(3, events=1_400)]
    (shown,) = [each for each in figures.over_nights(nights) if each.name.startswith("Clean events")]
    assert "1,500 on 2026-01-02" in shown.chart
    assert "90" not in shown.chart.partition("</title>")[0]


def test_a_night_without_a_value_leaves_a_gap() -> None:
    drawn = charts.lines(
        ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04", "2026-01-06"],
        [Series("x", [1.0, 2.0, None, 3.0, 4.0], [[0.5, 1.5], [1.5, 2.5], None, [2.5, 3.5], None])],
        "X",
    )
    assert drawn.count("<polyline") == 2
    assert drawn.count("<polygon") == 2
    assert charts.lines(["2026-01-01"], [Series("x", [None])], "X") == ""


@pytest.mark.parametrize(
    "known", [[0.0], [5.0], [0.31, 0.38], [990, 994], [0, 1e9], [-2.0, 3.0], [1e-7, 2e-7]]
)
def test_an_axis_has_few_round_marks_around_the_values(known: list[float]) -> None:
    marks = charts._marks(known)
    assert 2 <= len(marks) <= 6
    assert marks[0] <= min(known) <= max(known) <= marks[-1]
    assert all(len(f"{mark:.6g}") <= 8 for mark in marks)


@pytest.mark.parametrize("draw", [
    lambda: strips.bar(None), lambda: strips.bar(7.0, beside=-1.0), lambda: strips.interval(0.0, None, 0.0),
    lambda: strips.interval(0.5, [0.0, 9.0], 1.0), lambda: strips.limits(99.0, 0.1, 0.25),
    lambda: strips.span(0.0, 0.0), lambda: charts.columns([0.0], [0.0], "x"), lambda: charts.spark([1.0, 1.0]),
])  # fmt: skip
def test_shapes_stay_within_their_cell(draw: Callable[[], str]) -> None:
    numbers = [float(each) for each in re.findall(r' (?:x|x1|x2|width)="([^"]+)"', draw())]
    assert all(0 <= each <= max(100, charts.WIDTH) for each in numbers)
