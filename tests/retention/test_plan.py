"""What stays and what goes: old nights of every layer go, and never what serves or what a later night reads."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from pipeline_tasks.lake import floors, layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import changes
from pipeline_tasks.retention import needs
from pipeline_tasks.retention.applying import apply
from pipeline_tasks.retention.planning import plan
from pipeline_tasks.settings.retention import NIGHTS
from tests.lists import MODEL
from tests.retention.lakes import (
    SHORT,
    day,
    left,
    nights,
    put,
    write_decision,
    write_model,
    write_night,
    write_raw,
)


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
    assert left(lake, "recommendations/versions/") == nights(3, 4, 7, 8)
    assert changes.roll_back(lake, None, "ann", "worse lists").version == versions[2]


def test_after_a_rollback_that_was_taken_back_it_is_the_version_before_the_live_one_that_stays(
    lake: Store, tmp_path: Path, settings: Any
) -> None:
    versions = [write_night(lake, tmp_path, number, live=number < 4, passed=False) for number in range(1, 9)]
    for to in (versions[1], versions[2]):
        changes.roll_back(lake, to, "ann", "a mistake")
    apply(lake, settings)
    assert left(lake, "recommendations/versions/") == nights(2, 3, 7, 8)
    assert changes.roll_back(lake, None, "ann", "bad lists").version == versions[1]


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
