"""Every kind of dirt is in the files, as often as sample.json says."""

from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest

from tests.sample.conftest import EVENTS, Shop, moment


@pytest.mark.parametrize("table", ["interactions", "items", "users"])
def test_one_to_three_per_cent_of_a_table_is_dirty_with_every_kind(shop: Shop, table: str) -> None:
    planted = shop.facts["dirty"][table]
    assert all(count > 0 for count in planted.values())
    assert 0.01 <= sum(planted.values()) / shop.facts["rows"][table] <= 0.03


def _kind(row: dict[str, str], items: set[str]) -> str | None:
    """Say what is wrong with an event, looked at alone."""
    amounts = {
        "-1": "negative_amount",
        "-2": "negative_amount",
        "1e12": "huge_amount",
        "2500000000": "huge_amount",
    }
    time, arrived = moment(row["time"]), moment(row["arrived"])
    faults = {
        "empty_user": row["user"] == "",
        "long_user": len(row["user"]) > 512,
        "empty_item": row["item"] == "",
        "long_item": len(row["item"]) > 512,
        "unknown_item": 0 < len(row["item"]) <= 512 and row["item"] not in items,
        "unknown_event": row["event"] not in EVENTS,
        "missing_time": row["time"] == "",
        "unparsable_time": row["time"] != "" and time is None,
        "future_time": bool(time and arrived and time > arrived),
        "negative_amount": amounts.get(row["amount"]) == "negative_amount",
        "huge_amount": amounts.get(row["amount"]) == "huge_amount",
        "amount_not_a_number": row["amount"] not in amounts and not (row["amount"] or "0").isdigit(),
    }
    found = [kind for kind, wrong in faults.items() if wrong]
    assert len(found) <= 1, f"{found} in one row"
    return found[0] if found else None


def test_dirty_events_are_those_that_were_counted(shop: Shop) -> None:
    items = {row["item"] for row in shop.items}
    found = Counter(kind for row in shop.interactions if (kind := _kind(row, items)))
    planted = shop.facts["dirty"]["interactions"]
    assert found == {kind: count for kind, count in planted.items() if kind in found}
    assert set(planted) - set(found) == {"exact_duplicate", "near_duplicate", "bot"}


def test_duplicates_and_near_duplicates_are_those_that_were_counted(shop: Shop) -> None:
    planted = shop.facts["dirty"]["interactions"]
    items = {row["item"] for row in shop.items}
    rows = [tuple(row.values()) for row in shop.interactions if _kind(row, items) is None]
    assert len(rows) - len(set(rows)) == planted["exact_duplicate"]
    clean = sorted((*row[:3], datetime.fromisoformat(row[3])) for row in set(rows))
    pairs = pairwise(clean)
    near = sum(one[:3] == two[:3] and (two[3] - one[3]).total_seconds() <= 2 for one, two in pairs)
    assert near == planted["near_duplicate"]


def test_bots_are_the_only_ones_with_more_than_600_events_in_an_hour(shop: Shop) -> None:
    hours = Counter((row["user"], row["time"][:13]) for row in shop.interactions)
    assert {user for (user, _), count in hours.items() if count > 600} == set(shop.facts["bots"])
    assert max(count for (user, _), count in hours.items() if user not in shop.facts["bots"]) < 200


def test_dirty_users_are_those_that_were_counted(shop: Shop) -> None:
    keys = Counter((row["user"], row["updated_at"]) for row in shop.users if row["user"])
    rows = shop.users
    assert shop.facts["dirty"]["users"] == {
        "empty_user": sum(row["user"] == "" for row in rows),
        "long_user": sum(len(row["user"]) > 512 for row in rows),
        "duplicate_key": sum(count - 1 for count in keys.values()),
        "unparsable_joined_at": sum(moment(row["joined_at"]) is None for row in rows),
        "age_out_of_range": sum(row["age"] in ("-3", "212") for row in rows),
        "age_not_a_number": sum(row["age"] in ("thirty", "4O") for row in rows),
        "missing_age": sum(row["age"] == "" for row in rows),
        "missing_membership": sum(row["membership"] == "" for row in rows),
    }


def test_dirty_items_are_those_that_were_counted(shop: Shop) -> None:
    rows = shop.items
    keys = Counter((row["item"], row["updated_at"]) for row in rows)
    prices = [row["price"] for row in rows]
    assert shop.facts["dirty"]["items"] == {
        "empty_item": sum(row["item"] == "" for row in rows),
        "long_item": sum(len(row["item"]) > 512 for row in rows),
        "duplicate_key": sum(count - 1 for count in keys.values()),
        "unparsable_updated_at": sum(moment(row["updated_at"]) is None for row in rows),
        "unparsable_appeared_at": sum(moment(row["appeared_at"]) is None for row in rows),
        "negative_price": sum(isinstance(price, float) and price < 0 for price in prices),
        "huge_price": sum(isinstance(price, float) and price > 1e9 for price in prices),
        "unparsable_price": sum(isinstance(price, str) for price in prices),
        "missing_price": sum(price is None for price in prices),
        "missing_title": sum(row["title"] is None for row in rows),
        "missing_description": sum(row["description"] is None for row in rows),
        "long_title": sum(len(row["title"] or "") > 2_000 for row in rows),
        "unparsable_available": sum(not isinstance(row["available"], bool) for row in rows),
    }
