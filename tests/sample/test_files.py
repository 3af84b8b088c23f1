"""What the sample's files look like: names, columns, order, versions, pictures."""

import csv
import tomllib
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

from PIL import Image

from tests.conftest import CHECKOUT
from tests.sample.conftest import EVENTS, LAST_DAY, Shop, moment


def test_columns_are_those_that_the_settings_map(shop: Shop) -> None:
    source = tomllib.loads((CHECKOUT / "nightjar.toml").read_text())["sources"]["shop"]
    assert set(source["interactions"]["columns"].values()) == set(shop.interactions[0])
    assert set(source["items"]["columns"].values()) == set(shop.items[0])
    assert set(source["users"]["columns"].values()) == set(shop.users[0])
    assert set(source["events"]) == set(EVENTS)


def test_row_counts_are_reported(shop: Shop) -> None:
    found = {"interactions": len(shop.interactions), "items": len(shop.items), "users": len(shop.users)}
    assert shop.counts == found
    assert shop.facts["rows"] == found
    assert 60_000 <= found["interactions"] <= 120_000


def test_a_file_holds_one_day_of_arrivals_in_order(shop: Shop) -> None:
    files = sorted((shop.folder / "interactions").iterdir())
    first = LAST_DAY - timedelta(days=59)
    assert [path.stem for path in files] == [f"arrived={first + timedelta(days=day)}" for day in range(62)]
    for path in files:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["arrived"], row["time"]) for row in csv.DictReader(file) if moment(row["time"])]
        assert {arrived[:10] for arrived, _ in rows} <= {path.stem.removeprefix("arrived=")}
        assert rows == sorted(rows)


def test_purchases_carry_a_quantity_and_nothing_else_does(shop: Shop) -> None:
    for row in shop.interactions:
        if row["event"] == "purchase":
            assert row["amount"] in ("1", "2", "3", "-1", "-2", "two", "1,5", "n/a", "1e12", "2500000000")
        else:
            assert row["amount"] == ""


def test_some_events_arrive_one_or_two_days_late_even_after_the_last_day(shop: Shop) -> None:
    late: dict[int, int] = defaultdict(int)
    for row in shop.interactions:
        time, arrived = moment(row["time"]), moment(row["arrived"])
        if time and arrived and time <= arrived:
            late[(arrived.date() - time.date()).days] += 1
    assert set(late) == {0, 1, 2}
    assert late[1] + late[2] == shop.facts["late"]
    assert 0.02 < shop.facts["late"] / len(shop.interactions) < 0.04
    after = [row for row in shop.interactions if row["arrived"][:10] > str(LAST_DAY)]
    assert len(after) == shop.facts["late_after_last_day"] > 0
    assert all(row["time"][:10] <= str(LAST_DAY) for row in after)


def test_items_start_with_their_first_version_and_change_price_and_availability(shop: Shop) -> None:
    versions = defaultdict(list)
    for row in shop.items:
        if row["title"] and moment(row["updated_at"]):
            versions[row["item"]].append(row)
    clean = {item: rows for item, rows in versions.items() if item and len(item) < 512}
    assert len(clean) == 500
    assert all(rows[0]["updated_at"] == rows[0]["appeared_at"] for rows in clean.values())
    assert all(
        [row["updated_at"] for row in rows] == sorted(row["updated_at"] for row in rows)
        for rows in clean.values()
    )
    changed = [item for item, rows in clean.items() if len({str(row["price"]) for row in rows}) > 1]
    sold_out = [item for item, rows in clean.items() if rows[-1]["available"] is False]
    back = [
        rows for rows in clean.values() if rows[-1]["available"] and not all(r["available"] for r in rows)
    ]
    assert len(changed) > 200
    assert 5 <= len(sold_out) <= 25
    assert back


def test_item_texts_are_in_both_languages_with_a_category_path(shop: Shop) -> None:
    for row in shop.items:
        assert len(row["category"].split(" > ")) == 3
        assert any("\u4e00" <= sign <= "\u9fff" for sign in row["title_zh"])
        assert any("\u4e00" <= sign <= "\u9fff" for sign in row["description_zh"])
        assert row["tags"]
        assert row["title"] is None or row["brand"] in row["title"]
    titles = {row["item"]: row["title"] for row in shop.items}
    assert len({row["category"].split(" > ")[0] for row in shop.items}) == 12
    assert len(set(titles.values())) > 450


def test_new_items_and_new_users_come_every_day_and_do_nothing_before(shop: Shop) -> None:
    days = {str(LAST_DAY - timedelta(days=day)) for day in range(60)}
    appeared = {row["item"]: moment(row["appeared_at"]) for row in shop.items if moment(row["appeared_at"])}
    joined = {row["user"]: moment(row["joined_at"]) for row in shop.users if moment(row["joined_at"])}
    assert days <= {str(time.date()) for time in appeared.values() if time}
    assert days <= {str(time.date()) for time in joined.values() if time}
    for user, item, time in shop.views:
        assert (opened := appeared[item]) is None or time > opened
        assert (start := joined.get(user)) is None or time > start


def test_some_users_do_nothing_and_activity_is_skewed(shop: Shop) -> None:
    counts: dict[str, int] = defaultdict(int)
    for user, _, _ in shop.views:
        counts[user] += 1
    assert 0.90 < len(counts) / 1000 < 0.99
    ordered = sorted(counts.values(), reverse=True)
    assert sum(ordered[:100]) > 0.25 * sum(ordered)


def test_a_few_ids_are_odd_but_legal(shop: Shop) -> None:
    users = {row["user"] for row in shop.interactions}
    items = {row["item"] for row in shop.interactions}
    assert {"u/000007", "o'brien", 'the "boss"', "用户八", "Doe, Jane"} <= users
    assert {"sku/00007", 'sku-"0011"', "sku-☕", "sku, 23"} <= items


def test_every_item_has_a_picture_of_its_own_colours(shop: Shop) -> None:
    paths = {row["image"] for row in shop.items}
    assert len(paths) == 500
    pixels = set()
    for path in paths:
        with Image.open(shop.folder / Path(path)) as image:
            assert image.size == (64, 64)
            pixels.add(image.tobytes())
    assert len(pixels) > 400
