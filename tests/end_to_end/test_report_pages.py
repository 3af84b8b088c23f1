"""The reports of real nights, seen by a real browser: whole, readable on a phone, in the dark, and loading nothing."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

from pipeline_tasks.reporting import page
from tests import browser, screens
from tests.browser import Browser
from tests.end_to_end.conftest import END, SECOND
from tests.reporting.hostile import EVIL, hostile

WINDOWS = [(1200, 900), (390, 844)]
PAGES = [f"{SECOND}/index.html", f"{END}/index.html", "index.html"]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = browser.find()
    if program is None:
        tell = pytest.fail if os.environ.get("REQUIRE_BROWSER") else pytest.skip
        tell(f"no browser to look at the pages with: install one of {', '.join(browser.NAMES)}")
    with browser.opened(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def reports(nights: Any) -> Path:
    return nights[1].root / "reports"


def brightness(picture: bytes) -> tuple[float, float]:
    """Return a picture's mean and standard deviation of grey."""
    with Image.open(io.BytesIO(picture)) as image:
        found = ImageStat.Stat(image.convert("L"))
    return found.mean[0], found.stddev[0]


@pytest.mark.parametrize(("width", "height"), WINDOWS)
@pytest.mark.parametrize("shown", PAGES)
def test_a_page_is_whole_and_its_verdict_is_seen_first(
    seen: Browser, reports: Path, shown: str, width: int, height: int
) -> None:
    seen.open((reports / shown).as_uri(), width, height)
    assert seen.evaluate("innerWidth") == width
    assert seen.evaluate("document.documentElement.scrollWidth") <= width  # nothing to scroll sideways
    verdict = seen.evaluate(
        "(({top, bottom, height}) => ({top, bottom, height}))"
        "(document.getElementById('verdict').getBoundingClientRect())"
    )
    assert 0 <= verdict["top"] < verdict["bottom"] <= height
    assert "Published" in seen.evaluate("document.getElementById('verdict').innerText")
    assert brightness(seen.picture())[1] > 10
    assert seen.errors == []
    assert [uri for uri in seen.asked if not uri.startswith("data:")] == [(reports / shown).as_uri()]


def test_pictures_of_items_are_shown_on_the_page(seen: Browser, reports: Path) -> None:
    seen.open((reports / f"{SECOND}/index.html").as_uri(), 1200, 900)
    widths = seen.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) > 20
    assert min(widths) > 0


def test_it_is_dark_where_the_reader_likes_it_dark(seen: Browser, reports: Path) -> None:
    for shown in PAGES:
        light, dark = [], []
        for scheme, found in (("light", light), ("dark", dark)):
            seen.open((reports / shown).as_uri(), 1200, 900, scheme)
            found.append(brightness(seen.picture()))
        assert light[0][0] > 200
        assert dark[0][0] < 60
        assert dark[0][1] > 10


def test_the_second_night_judges_the_lists_of_the_first(reports: Path) -> None:
    told = json.loads((reports / f"{SECOND}/report.json").read_text())
    assert told["notes"] == []
    assert told["absent"].keys() <= {"scores"}  # another kind of model may serve
    online = told["online"]
    assert (online["night"], online["day"]) == (str(END), str(SECOND))
    assert online["users"] > 10
    for name, (low, high) in online["intervals"]["live"].items():
        assert low <= online["metrics"]["live"][name] <= high
    assert [each["run_date"] for each in told["trend"]] == [str(END)]
    assert len(told["people"]) == 10
    assert all(each["psi"] >= 0 for each in told["drift"]["moved"])


@pytest.mark.parametrize("harm", [EVIL, "x" * 400], ids=["markup", "a word without end"])
@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_what_a_source_says_neither_runs_nor_breaks_the_page(
    seen: Browser, reports: Path, tmp_path: Path, width: int, height: int, harm: str
) -> None:
    told = json.loads((reports / f"{SECOND}/report.json").read_text())
    page_of_harm = tmp_path / "page.html"
    page_of_harm.write_text(page.render({**hostile(told, harm), "online": told["online"]}))
    seen.open(page_of_harm.as_uri(), width, height)
    assert seen.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.evaluate("document.scripts.length") == 0
    assert harm.strip() in seen.evaluate("document.body.innerText")
    assert (seen.errors, seen.asked) == ([], [page_of_harm.as_uri()])


def test_screens_of_both_are_small_and_not_blank(seen: Browser, reports: Path) -> None:
    for picture in screens.take(seen, reports.parent, str(SECOND)).values():
        assert len(picture) < 200_000
        assert brightness(picture)[1] > 10
