"""A few users are shown with what they did and get: chosen by the night, of all kinds, and nobody where it is off."""

import base64
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting import morning, people, thumbnails
from pipeline_tasks.reporting.summary import collect
from tests.lists import NIGHT, TOP_N, make_version
from tests.reporting.report_night import BEFORE, event, opened, write_tables
from tests.stages.published_night import write_records
from tests.test_reader import go_live

ITEMS = ["i1", "i2", "i3"]
TITLES = {"i1": "Kettle", "i2": "<i>Teapot</i>"}


def test_people_have_titles_reasons_and_their_newest_events(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    version = make_version(lake, tmp_path / "files", {"ann": ["i1", "i3"]}, files=1).version
    earlier = [event("ann", "i3", BEFORE, hour) for hour in range(8)]
    write_tables(lake, ["ann", "bob"], ITEMS, [event("ann", "i2", kind="purchase")], earlier, titles=TITLES)
    with opened(lake, make_settings()) as night:
        (ann,) = people.sampled(night, version, 10)
    assert (ann.user_id, ann.cold) == ("ann", False)
    assert [(place.rank, place.title, place.why) for place in ann.places] == [
        (1, "Kettle", "after Kettle"),
        (2, "i3", "after i3"),
    ]
    assert len(ann.history) == people.LOOKED_AT
    first = ann.history[0]
    assert (first.when, first.what, first.title) == (
        "2026-01-10T12:00:00+00:00",
        "purchase",
        "<i>Teapot</i>",
    )
    assert [each.item_id for each in ann.history[1:]] == ["i3"] * 4


def test_a_pin_is_told_as_one_and_makes_nobody_known(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    version = make_version(
        lake, tmp_path / "files", {"ann": ["i1", "i3"], "bob": ["i1", "i3"]}, files=1
    ).version
    write_tables(lake, ["ann", "bob"], ITEMS, titles=TITLES)
    (path,) = lake.keys(f"{layout.version(version)}/top_n/")
    rows = pq.read_table(io.BytesIO(lake.read(path))).to_pylist()
    for row in rows:
        if row["rank"] == 1:
            row |= {"source": "pinned", "reason": "country=DE"}
        elif row["user_id"] == "bob":
            row |= {"source": "popular", "reason": "all"}
    pq.write_table(pa.Table.from_pylist(rows, TOP_N), tmp_path / "pinned.parquet")
    lake.write(path, (tmp_path / "pinned.parquet").read_bytes())
    with opened(lake, make_settings()) as night:
        shown = {each.user_id: each for each in people.sampled(night, version, 10)}
    assert {name: each.cold for name, each in shown.items()} == {"ann": False, "bob": True}
    whys = {name: [place.why for place in each.places] for name, each in shown.items()}
    assert whys == {"ann": ["pinned: country=DE", "after i3"], "bob": ["pinned: country=DE", "popular: all"]}


def test_another_night_shows_others_and_the_same_night_the_same(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    lists = {f"u{n:02}": ["i1"] for n in range(60)}
    version = make_version(lake, tmp_path / "files", lists, files=1).version
    later = NIGHT + timedelta(days=1)
    for day in (NIGHT, later):
        write_tables(lake, sorted(lists), ITEMS, night=day)
    chosen = []
    for day in (NIGHT, NIGHT, later):
        with opened(lake, make_settings(), day) as night:
            chosen.append([each.user_id for each in people.sampled(night, version, 10)])
    assert chosen[0] == chosen[1]
    assert len(set(chosen[0])) == 10
    assert set(chosen[0]) != set(chosen[2])


@pytest.mark.parametrize(
    ("known", "cold", "count", "shown"),
    [(20, 20, 10, (8, 2)), (20, 1, 10, (9, 1)), (3, 20, 10, (3, 7)), (20, 20, 2, (1, 1)), (20, 20, 1, (1, 0)),
     (0, 20, 1, (0, 1)), (20, 0, 2, (2, 0)), (0, 0, 5, (0, 0))],
)  # fmt: skip
def test_most_are_known_to_the_model_and_some_are_not(
    known: int, cold: int, count: int, shown: tuple[int, int]
) -> None:
    rows = [{"user_id": f"k{n}", "known": True} for n in range(known)]
    rows += [{"user_id": f"c{n}", "known": False} for n in range(cold)]
    chosen = people._choose(rows, count)
    assert (list(chosen.values()).count(False), list(chosen.values()).count(True)) == shown


def test_nobody_is_shown_where_it_is_off(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    go_live(lake, tmp_path / "files", {"ann": ["i1"]})
    write_tables(lake, ["ann"], ITEMS, [event("ann", "i2")])
    with opened(lake, make_settings()):
        assert len(collect(lake, make_settings(), NIGHT).people) == 1
        assert collect(lake, make_settings(report={"people": 0}), NIGHT).people == []


@pytest.fixture
def shop(make_settings: Callable[..., Any], tmp_path: Path) -> Any:
    """A source whose items have images: a good one, a broken one, and one that is not there."""
    folder = tmp_path / "data"
    (folder / "interactions").mkdir(parents=True)
    for name in ("interactions/a.csv", "items.jsonl", "users.csv"):
        (folder / name).touch()
    Image.new("RGB", (640, 480), "teal").save(folder / "good.png")
    (folder / "broken.png").write_bytes((folder / "good.png").read_bytes()[:200])
    return make_settings(source="shop")


def test_images_become_small_and_broken_ones_are_left_out(shop: Any) -> None:
    images = {"i1": "good.png", "i2": "broken.png", "i3": "gone.png", "i4": "../data/good.png",
              "i5": "https://shop.example/i5.png"}  # fmt: skip
    found = thumbnails.thumbnails(shop, images)
    assert set(found) == {"i1"}
    kind, _, data = found["i1"].partition(",")
    assert kind == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as small:
        assert max(small.size) == thumbnails.SIDE
    assert len(data) < 4000


def test_no_more_images_are_read_than_are_wanted(shop: Any, make_settings: Callable[..., Any]) -> None:
    images = {f"i{n}": "good.png" for n in range(9)}
    few = make_settings(source="shop", report={"thumbnails": 4})
    assert set(thumbnails.thumbnails(few, images)) == {"i0", "i1", "i2", "i3"}
    assert thumbnails.thumbnails(make_settings(source="shop", report={"thumbnails": 0}), images) == {}


@pytest.mark.parametrize(("most", "shown"), [(100, {"i1"}), (0, set())])
def test_a_page_has_pictures_unless_none_are_wanted(
    shop: Any, make_settings: Callable[..., Any], lake: Store, tmp_path: Path, most: int, shown: set[str]
) -> None:
    go_live(lake, tmp_path / "files", {"ann": ["i1", "i2"]})
    write_tables(lake, ["ann"], ITEMS, versions={"i1": {"image": "good.png"}, "i2": {"image": "gone.png"}})
    write_records(lake)
    found = morning.collect(lake, make_settings(source="shop", report={"thumbnails": most}), NIGHT)
    assert set(found.pictures) == shown
    for key in lake.keys("clean/items/"):
        if key.endswith(".parquet"):
            lake.write(key, b"not parquet")
    found = morning.collect(lake, make_settings(source="shop", report={"thumbnails": most}), NIGHT)
    assert any(note.startswith("images could not be read") for note in found.content["notes"]) == bool(most)


def test_the_newest_image_of_an_item_counts(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    version = make_version(lake, tmp_path / "files", {"ann": ["i1", "i2"]}, files=1).version
    write_tables(lake, ["ann"], ITEMS, [event("ann", "i3")], versions={"i3": {"image": "c.png"}, "i1": {"image": "a.png"}})  # fmt: skip
    with opened(lake, make_settings()) as night:
        shown = people.sampled(night, version, 1)
        assert people.images(night, shown) == {"i3": "c.png", "i1": "a.png"}
