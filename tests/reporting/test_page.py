"""The page shows a night's report.json and nothing else, and stands alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting import morning, page, trends
from tests.lists import NIGHT
from tests.reporting.hostile import EVIL
from tests.reporting.reading import Reader, stands_alone
from tests.reporting.report_night import NAME, write_whole


def test_a_night_is_told_whole(content: dict[str, Any]) -> None:
    assert (content["notes"], content["absent"]) == ([], {})
    made = Reader(page.render(content))
    stands_alone(made)
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


def test_an_empty_lake_has_a_page_too(lake: Store, settings: Any) -> None:
    content = morning.collect(lake, settings, NIGHT).content
    shown = Reader(page.render(json.loads(json.dumps(content)))).text
    assert "Failed Ingest has not run." in shown
    assert "No stage has left a record." in shown


def test_the_same_lake_makes_the_same_page(lake: Store, settings: Any, tmp_path: Path) -> None:
    write_whole(lake, settings, tmp_path / "files")
    first, second = (page.render(morning.collect(lake, settings, NIGHT).content) for _ in range(2))
    assert first == second
