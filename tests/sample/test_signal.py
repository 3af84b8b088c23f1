"""What a model can find in the sample: sequences, tastes, a long tail, trends, seasons."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

from tests.sample.conftest import LAST_DAY, Shop

CUT = LAST_DAY - timedelta(days=9)


def _transitions(shop: Shop) -> list[tuple[str, str, datetime]]:
    """Every view's item, the item that the same user viewed next, and when."""
    return [(one[1], two[1], two[2]) for one, two in pairwise(shop.views) if one[0] == two[0]]


def _hits(truth: list[tuple[str, str, datetime]], lists: dict[str, list[str]], otherwise: list[str]) -> float:
    return sum(following in lists.get(item, otherwise) for item, following, _ in truth) / len(truth)


def test_the_item_before_says_far_more_about_the_next_than_popularity(shop: Shop) -> None:
    moves = _transitions(shop)
    past = [move for move in moves if move[2].date() <= CUT]
    future = [move for move in moves if move[2].date() > CUT]
    followers: dict[str, Counter[str]] = defaultdict(Counter)
    for item, following, _ in past:
        followers[item][following] += 1
    popular = [item for item, _ in Counter(following for _, following, _ in past).most_common(10)]
    best = {item: [name for name, _ in counts.most_common(1)] for item, counts in followers.items()}
    assert _hits(future, best, popular[:1]) > 0.25
    assert _hits(future, {}, popular[:1]) < 0.03
    assert 0.04 < _hits(future, {}, popular) < 0.15


def test_a_few_items_are_looked_at_most_and_nearly_all_sometimes(shop: Shop) -> None:
    counts = Counter(item for _, item, _ in shop.views).most_common()
    total = sum(count for _, count in counts)
    assert sum(count for _, count in counts[:50]) > 0.25 * total
    assert len(counts) > 480


def test_users_keep_to_their_tastes(shop: Shop) -> None:
    category = {row["item"]: row["category"] for row in shop.items}
    past: dict[str, Counter[str]] = defaultdict(Counter)
    for user, item, time in shop.views:
        if time.date() <= CUT:
            past[user][category[item]] += 1
    everybody = dict(sum(past.values(), Counter()).most_common(10))
    own = {user: dict(counts.most_common(10)) for user, counts in past.items() if counts.total() >= 20}
    later = [(user, category[item]) for user, item, time in shop.views if time.date() > CUT and user in own]
    kept = sum(name in own[user] for user, name in later) / len(later)
    assert kept > 1.6 * sum(name in everybody for _, name in later) / len(later)


def test_evenings_and_weekends_are_busier_and_departments_have_their_hours(shop: Shop) -> None:
    hours = Counter(time.hour for _, _, time in shop.views)
    weekdays = Counter(time.weekday() for _, _, time in shop.views)
    assert hours[20] > 5 * hours[3]
    assert weekdays[5] > 1.1 * weekdays[1]
    department = {row["item"]: row["category"].split(" > ")[0] for row in shop.items}
    office = Counter(time.hour < 14 for _, item, time in shop.views if department[item] == "Office")
    books = Counter(time.hour < 14 for _, item, time in shop.views if department[item] == "Books")
    assert office[True] / office.total() > 1.15 * books[True] / books.total()


def test_some_items_rise_and_some_fall(shop: Shop) -> None:
    middle = LAST_DAY - timedelta(days=29)
    begun = {row["item"] for row in shop.items if row["appeared_at"] < str(LAST_DAY - timedelta(days=70))}
    before = Counter(item for _, item, time in shop.views if time.date() < middle)
    after = Counter(item for _, item, time in shop.views if time.date() >= middle)
    frequent = [item for item in begun if before[item] + after[item] > 80]
    assert sum(after[item] > 2 * before[item] for item in frequent) >= 3
    assert sum(before[item] > 2 * after[item] for item in frequent) >= 3
