"""Writing a sample: the same bytes again, whole or not at all, tiny and impossible sizes."""

from datetime import date
from pathlib import Path

import pytest

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.sample import write_sample, writer

END = date(2026, 6, 30)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        write_sample(tmp_path / name, users=150, items=80, days=5, seed=seed, images=True, end=END)
    one, two, three = (_files(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one["interactions/arrived=2026-06-28.csv"] != three["interactions/arrived=2026-06-28.csv"]
    assert one["items.jsonl"] != three["items.jsonl"]
    assert one["users.csv"] != three["users.csv"]


def test_users_of_every_block_act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "USERS_AT_ONCE", 40)
    write_sample(tmp_path / "shop", users=100, items=50, days=4, seed=3, images=False, end=END)
    text = (tmp_path / "shop" / "interactions" / "arrived=2026-06-29.csv").read_text()
    numbers = {int(line[2:8]) for line in text.splitlines()[1:] if line.startswith("u-")}
    assert {(number - 1) // 40 for number in numbers} == {0, 1, 2}


@pytest.mark.parametrize(("users", "items", "days"), [(1, 5, 2), (1, 1, 1), (30, 1, 3), (40, 20, 1)])
def test_a_tiny_shop_is_written(tmp_path: Path, users: int, items: int, days: int) -> None:
    counts = write_sample(tmp_path / "shop", users, items, days, seed=1, images=False, end=END)
    assert counts["users"] >= users
    assert counts["items"] >= items
    assert len(list((tmp_path / "shop" / "interactions").iterdir())) >= days


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"users": 0}, "at least 1 of users, not 0"),
        ({"items": -3}, "at least 1 of items, not -3"),
        ({"days": 0}, "at least 1 of days, not 0"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"days": 10_000_000}, "before year 1"),
        ({"end": date(9999, 12, 31)}, "no room"),
    ],
)
def test_impossible_numbers_are_refused_and_nothing_is_written(
    tmp_path: Path, numbers: dict[str, int], reason: str
) -> None:
    arguments = {"users": 5, "items": 5, "days": 2, "seed": 1, "images": False, "end": END} | numbers
    with pytest.raises(Refused, match=reason):
        write_sample(tmp_path / "shop", **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_things_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("dear to me")
    with pytest.raises(Refused, match=r"holds mine\.txt"):
        write_sample(tmp_path, users=5, items=5, days=2, seed=1, images=False, end=END)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_beside_it_is_kept_whatever_it_is_called(tmp_path: Path) -> None:
    mine = tmp_path / "shop.partial" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("dear to me")
    write_sample(tmp_path / "shop", users=5, items=5, days=2, seed=1, images=False, end=END)
    assert mine.read_text() == "dear to me"
    assert {path.name for path in tmp_path.iterdir()} == {"shop", "shop.partial"}


def test_an_earlier_sample_is_replaced_whole(tmp_path: Path) -> None:
    write_sample(tmp_path / "shop", users=5, items=5, days=9, seed=1, images=True, end=END)
    write_sample(tmp_path / "shop", users=5, items=5, days=2, seed=1, images=False, end=END)
    write_sample(tmp_path / "new", users=5, items=5, days=2, seed=1, images=False, end=END)
    assert _files(tmp_path / "shop") == _files(tmp_path / "new")


def test_a_full_disk_ends_in_one_line_and_keeps_the_earlier_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(tmp_path / "shop", users=5, items=5, days=2, seed=1, images=False, end=END)
    before = _files(tmp_path / "shop")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.InteractionFiles, "write", fail)
    with pytest.raises(NightjarError, match="No space left on device") as caught:
        write_sample(tmp_path / "shop", users=5, items=5, days=3, seed=1, images=False, end=END)
    assert caught.value.exit_code == 1
    assert _files(tmp_path / "shop") == before


def test_pictures_are_named_only_where_there_are_some(tmp_path: Path) -> None:
    write_sample(tmp_path / "shop", users=5, items=5, days=2, seed=1, images=False, end=END)
    assert '"image": null' in (tmp_path / "shop" / "items.jsonl").read_text()
    assert not (tmp_path / "shop" / "images").exists()
