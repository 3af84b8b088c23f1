"""What goes is removed night by night in few requests, and a kill between any two keys leaves whole tables."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline_tasks.lake.store import Store
from pipeline_tasks.retention.applying import apply, remove
from pipeline_tasks.retention.planning import plan
from tests.failing_store import FailingStore, Killed, content
from tests.retention.lakes import left, nights, write_night


class KeyByKey(FailingStore):
    """Each key that is deleted is a change, in an order of chance: a store promises none."""

    def delete(self, keys: list[str]) -> None:
        for key in random.Random(self.at).sample(keys, len(keys)):
            super().delete([key])


def whole_or_absent(store: Store, before: dict[str, bytes]) -> Iterator[str]:
    """Yield what is half there: a commit, manifest or model that names files which have gone."""
    for key in before:
        folder, _, name = key.rpartition("/")
        if name in ("_commit.json", "config.json") and store.exists(key):
            files = json.loads(before[key]).get("files", {"weights.safetensors": ""})
            yield from (f"{folder}/{file}" for file in files if not store.exists(f"{folder}/{file}"))
        if name == "manifest.json" and store.exists(key):
            yield from (each for each in before if each.startswith(f"{folder}/") and not store.exists(each))


def test_a_kill_at_any_instant_leaves_whole_tables_and_the_next_run_ends_as_an_unbroken_one(
    lake: Store, tmp_path: Path, settings: Any
) -> None:
    for number in range(1, 4):
        write_night(lake, tmp_path, number)
    before = content(lake)
    at, done = 0, False
    while not done:
        at += 29
        for key in before.keys() - content(lake).keys():
            lake.write(key, before[key])
        broken: Any = KeyByKey(lake, at, "before" if at % 2 else "after", Killed())
        try:
            apply(broken, settings)
            done = True
        except Killed:
            assert list(whole_or_absent(lake, before)) == []
            apply(lake, settings)
        assert left(lake, "training/") == nights(2, 3)
    assert at > 40


def test_a_night_is_removed_in_two_requests_however_many_pieces_it_has(
    lake: Store, tmp_path: Path, settings: Any
) -> None:
    for number in range(1, 5):
        write_night(lake, tmp_path, number)
    found = plan(lake, settings)
    assert found
    old = {piece.night for piece in found.goes}
    assert len(found.goes) > 20 * len(old)
    asked: list[int] = []
    store = FailingStore(lake, at=0)
    remove(store, found, lambda: asked.append(store.changes))
    # before the floor, and before each night
    assert asked == [0, 1, *range(3, 2 * len(old) + 1, 2)]
    assert store.changes == 1 + 2 * len(old)
    after = plan(lake, settings)
    assert after
    assert after.goes == []
