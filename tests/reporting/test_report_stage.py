"""The stage writes the night's report, its card and the page over all nights, and never fails a night."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline_tasks.lake import staleness
from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting import card, page
from pipeline_tasks.stages import publish, report
from tests.failing_store import FailingStore
from tests.lists import NIGHT
from tests.reporting.report_night import BEFORE, write_whole
from tests.stages.published_night import write_checked, write_records

FOLDER = "reports/2026-01-10"


def test_it_writes_page_json_card_and_index(
    either_lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    settings = make_settings(lake=either_lake.uri)
    write_whole(either_lake, settings, tmp_path)
    made = report.run(settings, NIGHT)
    written = json.loads(either_lake.read(f"{FOLDER}/report.json"))
    assert either_lake.read(f"{FOLDER}/index.html").decode() == page.render(written)
    assert made.facts["page"] == f"{either_lake.uri}/{FOLDER}/index.html"
    assert (made.facts["notes"], made.facts["online"]) == ([], written["online"])
    assert b'href="2026-01-10/index.html"' in either_lake.read("reports/index.html")
    with Image.open(io.BytesIO(either_lake.read(f"{FOLDER}/report.png"))) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (card.WIDTH, card.HEIGHT))


def test_a_night_knows_earlier_ones_and_a_rerun_replaces_its_line(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    settings = make_settings()
    for night in (BEFORE, NIGHT, NIGHT + timedelta(days=1)):
        write_checked(lake, tmp_path / str(night), night)
        publish.run(settings, night)
        write_records(lake, night=night)
        report.run(settings, night)
        if night == NIGHT:
            before = json.loads(lake.read(f"{FOLDER}/report.json"))
    assert [each["run_date"] for each in before["trend"]] == [str(BEFORE)]
    report.run(settings, NIGHT)
    again = json.loads(lake.read(f"{FOLDER}/report.json"))
    assert again.pop("live").startswith("2026-01-11")  # what is live is as it is now
    assert again == {name: value for name, value in before.items() if name != "live"}
    write_records(lake, "train", NIGHT, train={"status": "failed", "reason": "no memory"})
    report.run(settings, NIGHT)
    index = lake.read("reports/index.html").decode()
    assert index.count(f'<th scope="row"><a href="{NIGHT}/index.html">') == 1
    assert index.count('<th scope="row"><a href=') == 3


def test_the_page_over_all_nights_tells_which_were_made_from_what_has_changed_since(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    for night in (BEFORE, NIGHT):
        write_checked(lake, tmp_path / str(night), night)
        write_records(lake, night=night)
        report.run(make_settings(), night)
    staleness.mark_after(lake, BEFORE, f"train of {BEFORE} was run again with another result")
    report.run(make_settings(), BEFORE)
    rows = lake.read("reports/index.html").decode().split("<tr>")
    (stale,) = [row for row in rows if f"train of {BEFORE} was run again with another result" in row]
    assert f'href="{NIGHT}/index.html"' in stale


def test_a_night_without_people_shows_none(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    settings = make_settings(report={"people": 0})
    write_whole(lake, settings, tmp_path, {"i1": "Kettle"})
    report.run(settings, NIGHT)
    for name in ("report.json", "index.html"):
        content = lake.read(f"{FOLDER}/{name}")
        assert b"Kettle" not in content
        assert b'"ann"' not in content
        assert b">ann" not in content


@pytest.mark.parametrize(
    ("broken", "left"),
    [("page.render", "the page could not be drawn: a chart of nothing"),
     ("card.draw", "the card could not be drawn: a chart of nothing"),
     ("page.render_index", "the page over all nights could not be drawn: a chart of nothing")],
)  # fmt: skip
def test_what_cannot_be_drawn_is_recorded_and_fails_nothing(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    broken: str, left: str,
) -> None:  # fmt: skip
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("a chart of nothing")

    module, name = broken.split(".")
    monkeypatch.setattr(getattr(report, module), name, fail)
    settings = make_settings()
    version = write_whole(lake, settings, tmp_path)
    made = report.run(settings, NIGHT)
    assert made.facts["error"] == left
    assert json.loads(lake.read(f"{FOLDER}/report.json"))["version"] == version
    assert b"<!doctype html>" in lake.read(f"{FOLDER}/index.html")


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_what_cannot_be_written_is_recorded_and_fails_nothing(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    settings = make_settings()
    write_whole(lake, settings, tmp_path)
    monkeypatch.setattr(report, "open_store", lambda uri: FailingStore(lake, at=at))
    assert "the store does not answer" in report.run(settings, NIGHT).facts["error"]


@pytest.mark.parametrize(
    "table", ["clean/interactions", "training/sequences", "training/items", "features/item_features"]
)
def test_a_damaged_table_takes_its_subjects_only(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, table: str
) -> None:
    settings = make_settings()
    write_whole(lake, settings, tmp_path)
    for key in lake.keys(f"{table}/run_date={NIGHT}/"):
        if key.endswith(".parquet"):
            lake.write(key, b"not parquet")
    report.run(settings, NIGHT)
    content = json.loads(lake.read(f"{FOLDER}/report.json"))
    assert content["notes"]
    assert content["state"] == "live"
    assert [name for name in ("online", "drift", "mix", "scores") if content[name]]


@pytest.mark.parametrize("text", ["", "x" * 5000, "word " * 400, "日本 😀 \u202e", "a\nb"])
def test_the_card_takes_any_sentence(text: str) -> None:
    content = {"run_date": str(NIGHT), "state": "failed", "verdict": text, "stages": []}
    with Image.open(io.BytesIO(card.draw(content))) as drawn:
        assert drawn.size == (card.WIDTH, card.HEIGHT)
