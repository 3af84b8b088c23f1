"""The page shows a night's report.json and nothing else, stands alone, and lets nothing through that a source says."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.lake import records
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import changes
from pipeline_tasks.reporting import card, morning, page, summary, trends, verdict
from pipeline_tasks.stages import publish
from tests.lists import NIGHT
from tests.reporting.report_night import NAME, write_whole
from tests.stages.published_night import HEALTH, record, write_checked, write_records

EVIL = "</title><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>{{ 7 * 7 }}\"' "
VOID = {"meta", "br", "link", "img"}


class Reader(HTMLParser):
    """Collects the text and the tags of a page; raises where a tag is closed that is not open."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(markup)
        assert self.open == []

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


@pytest.fixture
def settings(make_settings: Callable[..., Any]) -> Any:
    return make_settings()


@pytest.fixture
def content(lake: Store, settings: Any, tmp_path: Path) -> dict[str, Any]:
    write_whole(lake, settings, tmp_path / "files", {"i1": "Kettle", "i2": EVIL})
    return json.loads(json.dumps(morning.collect(lake, settings, NIGHT).content))


def alone(made: Reader) -> None:
    """Assert that a page loads nothing, runs nothing, and links only to its neighbours."""
    assert not {tag for tag, _ in made.tags} & {"script", "iframe", "object", "embed", "form", "base"}
    for tag, attrs in made.tags:
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        for name in ("src", "href", "xlink:href", "action"):
            target = attrs.get(name)
            assert target is None or re.match(r"(data:|\.\./|\d{4}-\d\d-\d\d/index\.html$)", target), target


def test_a_night_is_told_whole(content: dict[str, Any]) -> None:
    assert (content["notes"], content["absent"]) == ([], {})
    made = Reader(page.render(content))
    alone(made)
    for part in (
        "Saturday 10 January 2026", "Published", "It passed its check, with 1 warning; transformer with ranking serves",
        "users with a list 2 clean events that arrived 900 events kept out 10.0%", "few users", NAME, "0.2765 to 0.3435", "The challenger: NDCG +0.0123 against ease (95%: -0.0045 to +0.0291), of the same 77",
        "was live before this night; 2 of its users", "1,000", "unknown item", "Home", "<b>Toys</b>",
        "at most two a brand", "31 rows left out", "placed 5", "too few candidates",
        "9 lists came up short, 21 rows refilled from popular, 2 have fewer than N all the same", "sold out since", "12 rows left out",
        "18 users have a list in both (3 the same, 4 in another order, 5 changed in part, 6 wholly)",
        "users lost 0.0123 0.05 holds 1.2% of the users who have a list in v have none now (check.limits.users_lost is 0.05).",
        "score drift 0.3 0.25 warns Scores lie elsewhere than in v: population stability index 0.30",
        "top_n pins 41 in their place, 2 not in their place, as in ann", "new items 317 rows, 160 lists, 3 of them with too few, as in bob",
        "shortfall 8 lists have fewer than N, 1 of them could be longer, as in cat", "pins 1 not in their place, as in country=DE",
        "Kettle", EVIL.strip(), "popularity 30d", "Is recommended", "All nights", "The same numbers are in report.json",
    ):  # fmt: skip
        assert part in made.text, part
    assert "adults only" not in made.text  # a rule that took nothing out
    assert ("a", {"href": "../index.html"}) in made.tags


def test_without_a_picture_there_is_no_room_for_any(content: dict[str, Any]) -> None:
    assert 'class="blank"' not in page.render(content)
    some = Reader(page.render(content, {"i1": "data:image/webp;base64,AAAA"}))
    assert "img" in {tag for tag, _ in some.tags}
    assert "blank" in {attrs.get("class") for _, attrs in some.tags}


# a path in report.json: another value, and what the page then says
OTHER: dict[str, tuple[Any, str]] = {
    "online.metrics.live.recall@10": (0.98765, "0.9877"),
    "online.intervals.live.ndcg@10": ([0.111, 0.222], "0.111 to 0.222"),
    "online.metrics.popular.ndcg@10": (0.13579, "popular items 0.5000 0.000 to 1.000 0.1358"),
    "online.intervals.popular.hit_rate@10": ([0.333, 0.444], "0.333 to 0.444"),
    "mix.gini": (0.4321, "0.43"),
    "mix.users": ({"users": 4321, "cold": 1234}, "users without an event, served 1,234 of 4,321"),
    "mix.items.new_shown": (77, "items of the last 7 days, in lists 77 of 3, 4 places"),
    "mix.items.quiet_places": (88, "items without an event in 30 days, in lists 0 of 0, 88 places"),
    "mix.bands.0": ({"name": "head", "items": 66, "shown": 55, "of_events": 0.123, "of_places": 0.456},
                    "head 55 of 66 45.6% 12.3%"),
    "mix.sources.0": ({"source": "popular", "places": 3}, "places by popular 3 (75.0%)"),
    "accounts.interactions.clean": (54_321, "54,321"),
    "drift.week": ("2026-01-03", "and of 2026-01-03, a week before"),
    "drift.moved.0.psi": (0.1234, "age days item 0.123"),
    "drift.moved.1.psi_week": (0.2347, "popularity 1d item 0.000 0.235"),
    "scores.psi": (0.3456, "Scores: 0.346"),
    "health.1.found": (0.7654, "score drift 0.7654 0.25 warns"),
    "declared_rules.top_n.pins.placed": (987, "987 in their place"),
    "people.0.cold": (True, "ann not known to the model"),
    "people.0.history.0.when": ("2025-12-24T12:00:00+00:00", "Did last Kettle view, 2025-12-24"),
    "people.1.places.1.why": ("popular: all", "Kettle i1 popular: all"),
    "stages.0.seconds": (83.0, "ingest done 1 min 23 s"),
    "stages.1.peak_rss_bytes": (123 << 20, "validate done 1.5 s 123 MiB"),
    "stages.2.rows": ({"things": 5678}, "preprocess is done things 5,678"),
    "stages.3.text": ("14 views", "features 14 views"),
    "comparison.difference": (-0.0321, "NDCG -0.0321 against ease"),
}  # fmt: skip


def test_every_figure_comes_from_the_json(content: dict[str, Any]) -> None:
    """Where a value in report.json is another one, so it is on the page."""
    for path, (value, _) in OTHER.items():
        *way, last = path.split(".")
        place: Any = content
        for name in way:
            place = place[int(name) if isinstance(place, list) else name]
        place[int(last) if isinstance(place, list) else last] = value
    shown = Reader(page.render(content)).text
    assert [said for _, said in OTHER.values() if said not in shown] == []


def hostile(told: Any, harm: str = EVIL, key: str = "") -> Any:
    """Return the same with every text, and every name that a source may say, replaced by what means harm."""
    if isinstance(told, dict):
        free = key in ("metrics", "rules", "rows", "top_n", "places")
        return {(f"{harm}{name}" if free else name): hostile(each, harm, name) for name, each in told.items()}
    if isinstance(told, list):
        return [hostile(each, harm, key) for each in told]
    kept = ("run_date", "state", "status", "before", "week", "day", "band", "when")
    return harm if isinstance(told, str) and key not in kept else told


def test_whatever_is_said_is_shown_as_text(content: dict[str, Any]) -> None:
    online = content.pop("online")
    content = {**hostile(content), "online": {**online, "version": EVIL}}
    made = Reader(page.render(content, {EVIL: 'data:image/webp;base64,"><script>'}))
    alone(made)
    assert made.text.count("alert('x')") > 30
    assert "{{ 7 * 7 }}" in made.text


def test_the_page_over_all_nights_lets_nothing_through(content: dict[str, Any]) -> None:
    night = trends.line({**hostile(content), "online": content["online"], "state": "failed"})
    made = Reader(page.render_index([night], [EVIL]))
    alone(made)
    assert "alert('x')" in made.text


def test_the_page_over_all_nights_has_their_trends_and_a_line_a_night(content: dict[str, Any]) -> None:
    night = trends.line(content)
    earlier = replace(
        night, run_date="2026-01-09", ndcg=0.25, users=1234, kept_out_share=0.0432, stale="rerun"
    )
    made = Reader(page.render_index([earlier, night]))
    for part in (
        "2 nights, 2026-01-09 to 2026-01-10", "Trends NDCG on the holdout who serves",
        "Users with a list. users: 1,234 on 2026-01-09, 2 on 2026-01-10",
        f"2026-01-09 Published Stale rerun {night.model} 0.250 0.500 1,234 4 900 4.3% 16.5 s",
    ):  # fmt: skip
        assert part in made.text, part
    assert ("a", {"href": "2026-01-09/index.html"}) in made.tags


def test_charts_and_tables_say_what_they_are(content: dict[str, Any]) -> None:
    content["trend"] = [{**dict.fromkeys(trends.Line.__dataclass_fields__), "run_date": "2026-01-08",
                         "state": "live", "verdict": "", "ndcg": 0.25, "users": 3}]  # fmt: skip
    made = Reader(page.render(content))
    pictures = [attrs for tag, attrs in made.tags if tag == "svg"]
    assert pictures
    assert all(attrs.get("role") == "img" or attrs.get("aria-hidden") == "true" for attrs in pictures)
    assert "NDCG on the holdout. who serves: 0.250 on 2026-01-08, 0.310 on 2026-01-10" in made.text
    assert all("scope" in attrs for tag, attrs in made.tags if tag == "th")
    assert all("alt" in attrs for tag, attrs in made.tags if tag == "img")


def test_a_refused_night_says_so_first_and_shows_what_is_known(
    lake: Store, settings: Any, tmp_path: Path
) -> None:
    version = write_whole(lake, settings, tmp_path / "files")
    records.write(lake, record("ingest", hours=5))
    reason = "items: 40 prices are negative"
    records.write(lake, record("validate", hours=5, status="refused", reason=reason))
    content = morning.collect(lake, settings, NIGHT).content
    shown = Reader(page.render(content)).text
    assert "Refused Validate refused: items: 40 prices are negative." in shown
    assert f"Consumers still read {version}." in shown
    assert (content["online"], content["drift"], content["mix"]) == (None, None, None)
    assert content["absent"]["drift"] == "features has not run"
    assert "Features has not run." in shown


def test_a_held_night_shows_its_own_lists_and_waits(lake: Store, settings: Any, tmp_path: Path) -> None:
    write_checked(lake, tmp_path / "files")
    write_records(lake, publish={"status": "nothing", "reason": "held, as asked"})
    held = settings.model_copy(update={"publish": type(settings.publish)(mode="hold")})
    shown = Reader(page.render(morning.collect(lake, held, NIGHT).content)).text
    assert "Held" in shown
    assert "waits to be released. Nothing is published yet." in shown


def test_a_forced_night_says_who_forced_it_why_and_in_spite_of_what(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checked(lake, tmp_path, health=[HEALTH], warnings=["few users"])
    monkeypatch.setattr(publish, "who", lambda: "ann")
    forced = make_settings(publish={"mode": "force", "why": "the shop was split"})
    made = publish.run(forced, NIGHT)
    assert (made.facts["who"], made.facts["why"]) == ("ann", "forced: the shop was split, although 30% lost")
    unchanged = {"status": "nothing", "reason": "unchanged"}  # its record does not know who published it
    for again in ({}, unchanged):
        write_records(lake, check={"facts": {"health": [HEALTH]}}, publish=again)
        content = json.loads(json.dumps(morning.collect(lake, forced, NIGHT).content))
        assert content["entry"] == {
            "sequence": 1,
            "action": "publish",
            "who": "ann",
            "why": made.facts["why"],
        }
        said = "It was forced by ann: the shop was split, although 30% lost; it has 1 warning."
        shown = Reader(page.render(content)).text
        assert said in shown
        assert "passed its check" not in shown


def test_a_night_that_was_held_and_then_released_says_who_released_it(
    lake: Store, settings: Any, tmp_path: Path
) -> None:
    verdict = write_checked(lake, tmp_path, health=[HEALTH])
    refused = {"status": "refused", "reason": f"version {verdict.version} is held: 30% lost"}
    write_records(lake, check={"facts": {"health": [HEALTH]}}, publish=refused)
    assert "Held" in Reader(page.render(morning.collect(lake, settings, NIGHT).content)).text
    changes.release(lake, NIGHT, verdict, "ann", "the sale explains it")
    shown = Reader(page.render(morning.collect(lake, settings, NIGHT).content)).text
    assert f"Published {verdict.version}, entry 1 of the log. It was released by ann: the sale" in shown
    assert "Consumers still read" not in shown


@pytest.mark.parametrize(
    ("entry", "holds", "said"),
    [({"action": "publish", "who": "ann", "why": "forced: an older night"}, True,
      "It passed its check and was forced by ann: an older night."),
     ({"action": "rollback", "who": "bob", "why": "bad lists"}, False,
      "It was made live again by bob: bad lists, although 30% lost."),
     ({"action": "publish", "who": "ann", "why": "night 2026-01-10 passed its check"}, True, "It passed its check."),
     (None, False, "Its health would hold it back: 30% lost.")],
)  # fmt: skip
def test_what_was_overridden_is_said(entry: dict[str, str] | None, holds: bool, said: str) -> None:
    content = {"state": "live", "verdict": "v", "entry": entry, "health": [{**HEALTH, "holds": holds}]}
    assert verdict.told(content).why == said


def test_an_empty_lake_has_a_page_too(lake: Store, settings: Any) -> None:
    content = morning.collect(lake, settings, NIGHT).content
    shown = Reader(page.render(json.loads(json.dumps(content)))).text
    assert "Failed Ingest has not run." in shown
    assert "No stage has left a record." in shown


def test_the_same_lake_makes_the_same_page(lake: Store, settings: Any, tmp_path: Path) -> None:
    write_whole(lake, settings, tmp_path / "files")
    first, second = (page.render(morning.collect(lake, settings, NIGHT).content) for _ in range(2))
    assert first == second


def test_of_a_night_whose_ending_cannot_be_read_nothing_is_claimed(
    lake: Store, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OSError("bad disk")

    monkeypatch.setattr(summary, "ending", broken)
    content = json.loads(json.dumps(morning.collect(lake, settings, NIGHT).content))
    assert verdict.told(content) == verdict.Told("Unknown", "bad", "", "")
    assert "the ending could not be read: bad disk" in Reader(page.render(content)).text
    assert card.draw(content)
