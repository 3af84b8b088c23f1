"""What stays and what goes: old nights of every layer go, and never what serves or what a later night reads."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import catalogue, changes, verification
from pipeline_tasks.reader import open_current, open_version
from pipeline_tasks.retention import floors, needs
from pipeline_tasks.retention.applying import apply
from pipeline_tasks.retention.planning import Plan, plan
from pipeline_tasks.settings.retention import NIGHTS
from tests.failing_store import content
from tests.lists import MODEL
from tests.retention.lakes import (
    SHORT,
    day,
    left,
    put,
    write_decision,
    write_model,
    write_night,
    write_raw,
)

TWO = {"nights": dict.fromkeys(NIGHTS, 2)}


@pytest.fixture
def settings(make_settings: Callable[..., Any], lake: Store) -> Any:
    """Two nights of every layer stay; a night looks back over as little as it can."""
    return make_settings(**SHORT, retention=TWO)


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A lake of eight nights, each live in its turn, and their versions."""
    root = tmp_path_factory.mktemp("eight")
    store = LocalStore(root / "lake")
    return root / "lake", [write_night(store, root / "files", number) for number in range(1, 9)]


@pytest.fixture
def versions(lake: LocalStore, eight: tuple[Path, list[str]]) -> list[str]:
    """The versions of eight nights; the lake is a copy of theirs."""
    shutil.copytree(eight[0], lake.root)
    return eight[1]


def nights(*numbers: int) -> set[str]:
    return {str(number) for number in numbers}


def test_of_every_layer_the_old_nights_go(lake: Store, versions: list[str], settings: Any) -> None:
    apply(lake, settings)
    for prefix in ("quarantine/", "training/", "staged/", "runs/", "reports/", "models/candidates/"):
        assert left(lake, prefix) == nights(7, 8), prefix
    # one more: night 7 starts from what night 6 has left
    for prefix in ("raw/interactions/", "clean/items/", "vocabulary/users/"):
        assert left(lake, prefix) == nights(6, 7, 8), prefix
    assert left(lake, "raw/items/") == left(lake, "raw/interactions_rejected/") == nights(7, 8)
    assert (
        left(lake, "recommendations/verdicts/") == left(lake, "recommendations/versions/") == nights(6, 7, 8)
    )
    assert left(lake, layout.LOG) == set()
    assert len(lake.keys(layout.LOG)) == 8


def test_all_history_and_the_snapshots_that_a_night_looks_back_over_stay(
    lake: Store, versions: list[str], settings: Any
) -> None:
    apply(lake, settings)
    assert left(lake, "clean/interactions/") == nights(*range(1, 9))
    # a validation of one day before a holdout of one day
    assert left(lake, "features/user_features/") == nights(5, 6, 7, 8)
    assert left(lake, "features/encoded/") == nights(6, 7, 8)
    assert left(lake, "features/text_encoder/") == nights(1)


def test_layers_that_keep_fewer_nights_than_raw_still_keep_what_the_nights_to_run_again_read(
    lake: Store, versions: list[str], make_settings: Callable[..., Any]
) -> None:
    put(lake, layout.night("features/text_encoder", day(5)), width=2)
    kept = {**dict.fromkeys(NIGHTS, 2), "raw": 6}
    apply(lake, make_settings(**SHORT, retention={"nights": kept, "bytes": {"features": 0, "clean": 0}}))
    assert floors.read(lake) == day(3)
    for prefix in ("clean/items/", "vocabulary/users/", "features/encoded/"):
        assert left(lake, prefix) == nights(2, 3, 4, 5, 6, 7, 8), prefix
    assert left(lake, "features/user_features/") == nights(*range(1, 9))
    assert left(lake, "features/text_encoder/") == nights(1, 5)
    assert left(lake, "reports/") == nights(7, 8)


def test_a_night_that_can_be_run_again_keeps_what_its_stages_hand_on(
    lake: Store, versions: list[str], make_settings: Callable[..., Any]
) -> None:
    """It may be between any two of them."""
    kept = {**dict.fromkeys(NIGHTS, 2), "raw": 6}
    apply(lake, make_settings(**SHORT, retention={"nights": kept, "bytes": {"training": 0}}))
    for prefix in ("quarantine/", "training/", "models/candidates/", "models/checkpoints/", "staged/"):
        assert left(lake, prefix) == nights(*range(3, 9)), prefix
    for prefix in ("recommendations/versions/", "recommendations/verdicts/"):
        assert left(lake, prefix) == nights(*range(2, 9)), prefix
    assert left(lake, "runs/") == left(lake, "reports/") == nights(7, 8)


def test_what_is_live_its_predecessor_and_their_models_stay_however_old(
    lake: Store, tmp_path: Path, settings: Any
) -> None:
    write_model(lake, date.fromisoformat(MODEL[:10]), "a", "transformer", day(-9))
    versions = [write_night(lake, tmp_path, number, live=number < 3, passed=False) for number in range(1, 9)]
    apply(lake, settings)
    assert left(lake, "recommendations/versions/") == nights(1, 2, 7, 8)
    assert changes.roll_back(lake, None, "ann", "bad lists").version == versions[0]
    assert lake.exists(f"{layout.model(MODEL)}/config.json")


def test_after_a_rollback_it_is_what_a_further_one_would_go_back_to_that_stays(
    lake: Store, versions: list[str], settings: Any
) -> None:
    changes.roll_back(lake, versions[3], "ann", "bad lists")
    apply(lake, settings)
    assert left(lake, "recommendations/versions/") == nights(4, 7, 8)
    assert changes.roll_back(lake, None, "ann", "worse lists").version == versions[6]


def test_what_waits_to_be_released_and_is_newer_than_live_stays_with_all_that_its_release_reads(
    lake: Store, tmp_path: Path, settings: Any
) -> None:
    health = [{"severity": "stop", "holds": False, "sentence": "30% lost"}]
    held = {1: {"live": False, "health": health}, 3: {"live": False, "health": health}}
    for number in range(1, 9):
        options = held.get(number, {"live": number == 2, "passed": number == 2})
        write_night(lake, tmp_path, number, **options)
    apply(lake, settings)
    # night 1 waits too, but an older night than the live one cannot be released
    assert left(lake, "recommendations/versions/") == nights(2, 3, 7, 8)
    assert left(lake, "recommendations/verdicts/") == nights(2, 3, 7, 8)
    for prefix in ("staged/top_n/", "staged/popular/", "training/items/"):
        assert left(lake, prefix) == nights(3, 7, 8), prefix
    assert left(lake, "training/users/") == nights(7, 8)


def test_the_champion_before_the_kept_nights_stays_however_old_and_its_model(
    lake: Store, versions: list[str], settings: Any
) -> None:
    old = write_model(lake, day(2), "c", "transformer", day(1))
    for number in range(5, 9):
        write_decision(lake, day(number), old, "champion")
    apply(lake, settings)
    assert left(lake, f"{layout.model(old)}/") == nights(2)
    assert left(lake, "models/champions/") == nights(6, 7, 8)


def test_a_model_of_each_kind_that_knows_nothing_of_the_examples_stays(
    lake: Store, versions: list[str], settings: Any
) -> None:
    """Night 7's examples may begin with the day after night 3: four days are holdout, validation and the ranker's."""
    gru = write_model(lake, day(3), "d", "gru4rec", day(2))
    write_decision(lake, day(3), gru)
    write_decision(lake, day(2), write_model(lake, day(2), "e", "popular", day(1)), "baseline")
    apply(lake, settings)
    # the transformers of nights 5 and 6 know of them, night 4's knows what was before the end of night 3
    assert left(lake, "models/champions/") == nights(3, 4, 5, 6, 7, 8)
    assert lake.exists(f"{layout.model(gru)}/weights.safetensors")
    assert not lake.keys(layout.model(f"{day(1)}-{'a' * 12}"))
    assert not lake.keys(layout.model(f"{day(5)}-{'b' * 12}"))  # a baseline of that night


def test_a_ranker_learns_from_no_fewer_days_than_validate_it(make_settings: Callable[..., Any]) -> None:
    long = make_settings(dataset={"holdout_max_days": 5}, ranking={"days": 2})
    assert needs.ranker_days(long) == (10, 15)
    assert needs.ranker_days(make_settings(**SHORT)) == (2, 4)


def test_raw_arrivals_that_the_oldest_kept_night_cleans_stay(
    lake: Store, tmp_path: Path, settings: Any
) -> None:
    """Nights 3 to 5 were not run: night 6 took their arrivals in."""
    write_night(lake, tmp_path, 1)
    write_night(lake, tmp_path, 2)
    for number in range(3, 6):
        write_raw(lake, day(number), day(6))
    for number in (6, 7):
        write_night(lake, tmp_path, number)
    found = apply(lake, settings)
    assert found is not None
    assert found.floor == day(6)
    assert left(lake, "raw/interactions/") == nights(2, 3, 4, 5, 6, 7)
    assert left(lake, "raw/interactions_rejected/") == nights(3, 4, 5, 6, 7)


def test_rejected_rows_stay_since_later_nights_look_up_which_were_counted(
    lake: Store, versions: list[str], settings: Any
) -> None:
    write_raw(lake, day(2), day(2), rejected=1)
    apply(lake, settings)
    assert left(lake, "raw/interactions_rejected/") == nights(2, 7, 8)


def test_derived_items_stay_where_the_next_night_adds_to_them(
    lake: Store, versions: list[str], settings: Any
) -> None:
    write_raw(lake, day(7), day(7), derived=True)
    apply(lake, settings)
    assert left(lake, "raw/items/") == nights(6, 7, 8)


def test_a_night_whose_rows_a_later_one_has_caught_up_goes(
    lake: Store, tmp_path: Path, settings: Any
) -> None:
    for number in (1, 2, 3, 4, 5):
        write_night(lake, tmp_path, number)
    put(lake, layout.night("clean/interactions", day(3)), after=day(1))  # and so 2 is no part of the history
    apply(lake, settings)
    assert left(lake, "clean/interactions/") == nights(1, 3, 4, 5)


def test_nights_are_counted_and_not_days(lake: Store, tmp_path: Path, settings: Any) -> None:
    for number in (1, 2, 30):
        write_night(lake, tmp_path, number)
    found = plan(lake, settings)
    assert found is not None
    assert (found.floor, found.newest) == (day(2), day(30))


def test_neither_a_refused_night_nor_a_clock_makes_others_old(
    lake: Store, versions: list[str], settings: Any
) -> None:
    lake.write(layout.record(day(900), "ingest"), b"{}")
    found = plan(lake, settings)
    assert found is not None
    assert found.newest == day(8)
    assert found == plan(lake, settings)


def budget(make_settings: Callable[..., Any], **layers: int) -> Any:
    return make_settings(**SHORT, retention={"bytes": layers})


def test_beyond_its_budget_a_layer_keeps_fewer_nights_but_always_the_newest(
    lake: Store, versions: list[str], make_settings: Callable[..., Any]
) -> None:
    of_a_night = sum(lake.sizes(f"reports/{day(1)}/").values())
    found = plan(lake, budget(make_settings, reports=3 * of_a_night, runs=0))
    assert found is not None
    layers = {layer.name: layer for layer in found.layers}
    assert (layers["reports"].since, layers["runs"].since) == (day(6), day(8))
    assert layers["training"].since == day(1)


def test_a_budget_of_raw_arrivals_decides_which_nights_can_be_run_again(
    lake: Store, versions: list[str], make_settings: Callable[..., Any]
) -> None:
    found = plan(lake, budget(make_settings, raw=sum(lake.sizes("raw/").values()) // 2))
    assert found is not None
    assert day(1) < found.floor < day(8)
    assert sum(piece.bytes for piece in found.goes) > 0


def test_a_dry_run_changes_nothing(lake: Store, versions: list[str], settings: Any) -> None:
    before = content(lake)
    found = plan(lake, settings)
    assert found is not None
    assert found.goes
    assert content(lake) == before
    assert not lake.keys("leases/")


def test_an_empty_lake_has_nothing_to_keep(either_lake: Store, settings: Any) -> None:
    assert plan(either_lake, settings) is None
    assert apply(either_lake, settings) is None


def test_a_damaged_decision_stops_it_before_anything_is_removed(
    lake: Store, versions: list[str], settings: Any
) -> None:
    lake.write(layout.champion(day(6)), b"{")
    before = content(lake)
    with pytest.raises(Refused, match=r"champions/run_date=2026-02-06.json cannot be read"):
        apply(lake, settings)
    assert content(lake) == before


@pytest.mark.parametrize(
    "key",
    [
        layout.verdict(day(8)),
        f"{layout.night('clean/interactions', day(3))}/_commit.json",
        layout.record(day(8), "evaluate"),
        layout.log_entry(5),
    ],
)
def test_whatever_is_damaged_it_is_refused(lake: Store, versions: list[str], settings: Any, key: str) -> None:
    lake.write(key, b"{")
    with pytest.raises(Refused, match=r"is damaged"):
        plan(lake, settings)


def test_what_has_no_date_is_left_alone(lake: Store, versions: list[str], settings: Any) -> None:
    strange = ["raw/notes.txt", "models/champions/readme", "identity.json", "features/2026-13-45/x"]
    for key in strange:
        lake.write(key, b"!")
    apply(lake, settings)
    assert all(lake.exists(key) for key in strange)


def test_a_second_run_finds_nothing_more(lake: Store, versions: list[str], settings: Any) -> None:
    apply(lake, settings)
    after = content(lake)
    found = apply(lake, settings)
    assert found is not None
    assert found.goes == []
    assert content(lake) == after


def test_who_reads_meanwhile_reads_what_is_live_or_is_told_that_its_version_has_gone(
    lake: Store, versions: list[str], settings: Any
) -> None:
    old, live = open_version(lake.uri, versions[0]), open_current(lake.uri)
    rows = live.to_arrow("top_n")
    apply(lake, settings)
    assert live.to_arrow("top_n").equals(rows)
    with pytest.raises(NightjarError, match=r"top_n/part-00000.parquet has gone"):
        old.to_arrow("top_n")
    with pytest.raises(Refused, match="there is no"):
        open_version(lake.uri, versions[0])
    assert list(verification.faults_of_log(lake)) == []
    assert [each.name for each in catalogue.listed(lake)] == versions[:4:-1]


def test_nights_that_were_removed_are_refused_and_the_floor_never_sinks(
    lake: Store, versions: list[str], settings: Any, make_settings: Callable[..., Any]
) -> None:
    apply(lake, settings)
    assert floors.read(lake) == day(7)
    floors.refuse_below(lake, day(7))
    with pytest.raises(
        Refused, match=r"night 2026-02-06 can no longer be run again.*the oldest that can is 2026-02-07"
    ):
        floors.refuse_below(lake, day(6))
    later: Plan | None = apply(lake, make_settings(**SHORT))
    assert later is not None
    assert later.floor == floors.read(lake) == day(7)
