"""What `verify` says of a version's files and of the log, and what it advises."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipeline_tasks.lake import floors, layout
from pipeline_tasks.lake.store import Store
from tests.commands.conftest import Run
from tests.lists import NIGHT
from tests.publishing.going_live import go_live


def test_verify_says_that_all_is_well_or_what_is_not(lake: Store, tmp_path: Path, run: Run) -> None:
    code, said = run("verify")
    assert (code, said) == (
        2,
        f"verify: nothing is published in {lake.uri} (look whether that is the lake)\n",
    )
    names = [go_live(lake, tmp_path, days) for days in range(2)]
    assert run("verify") == (0, f"{names[1]}: as it was published\nthe log has 2 entries, none missing\n")
    lake.write(f"{layout.version(names[0])}/top_n/part-00001.parquet", b"!")
    assert run("verify")[0] == 0
    for words in (("verify", names[0]), ("verify", "--all")):
        code, said = run(*words)
        assert code == 2
        assert "part-00001.parquet has been altered" in said
        assert "(do not go back to it" in said
    code, said = run("verify", str(NIGHT))
    assert code == 2
    assert f"there is no version '{NIGHT}'" in said
    lake.delete([layout.log_entry(1)])
    code, said = run("verify")
    assert (code, "0000000001.json is missing" in said) == (2, True)


def test_verify_looks_into_what_is_live_whatever_is_wrong_with_the_log(
    lake: Store, tmp_path: Path, run: Run
) -> None:
    live = [go_live(lake, tmp_path, days) for days in range(3)][-1]
    lake.delete([layout.log_entry(2), layout.CURRENT])
    code, said = run("verify", "live")
    assert code == 2
    assert f"{live}: as it was published" in said
    assert "0000000002.json is missing" in said
    assert (
        "until the next publish, release or rollback copies it (no version that was looked at differs" in said
    )
    lake.write(f"{layout.version(live)}/top_n/part-00001.parquet", b"!")
    code, said = run("verify")
    assert f"{live}: " in said
    assert "part-00001.parquet has been altered" in said
    assert "(rollback to a version that is whole" in said


def test_verify_tells_of_files_that_are_of_no_version_and_passes_over_what_a_killed_check_left(
    lake: Store, tmp_path: Path, run: Run
) -> None:
    live = go_live(lake, tmp_path, 0)
    half = f"{NIGHT}-0123456789ab"
    lake.write(f"{layout.version(half)}/top_n/part-00000.parquet", b"a part")
    code, said = run("verify", "--all")
    assert code == 0, said
    assert f"{half}: incomplete, and not live" in said
    lake.write(f"{layout.version(live)}/top_n/extra.parquet", b"rows of nobody")
    code, said = run("verify", "--all")
    assert code == 2
    assert (
        f"{live}/top_n/extra.parquet is not of this version: remove it (no version that was looked at differs"
        in said
    )


def test_verify_misses_the_version_that_a_rollback_goes_to(lake: Store, tmp_path: Path, run: Run) -> None:
    oldest, before, _ = (go_live(lake, tmp_path, days) for days in range(3))
    for name in (oldest, before):
        lake.delete([f"{layout.version(name)}/manifest.json"])
    code, said = run("verify", "--all")
    assert code == 2
    assert f"{oldest}: incomplete, and not live" in said
    assert f"{before}: there is no {lake.uri}/{layout.version(before)}/manifest.json" in said
    assert "(do not go back to it" in said


def test_verify_reads_a_version_whatever_else_of_its_night_is_damaged(
    lake: Store, tmp_path: Path, run: Run
) -> None:
    first, live = (go_live(lake, tmp_path, days) for days in range(2))
    lake.write(layout.verdict(NIGHT), b"{")
    lake.write(layout.record(NIGHT, "evaluate"), b"{")
    assert run("verify", first) == (0, f"{first}: as it was published\nthe log has 2 entries, none missing\n")
    lake.write(layout.log_entry(1), b"{")
    code, said = run("verify", live)
    assert code == 2
    assert f"{live}: as it was published" in said
    assert "0000000001.json is no entry of the log" in said
    code, said = run("verify", "--all")
    assert code == 2
    assert f"{first}: as it was published\n" in said
    assert "do not go back" not in said


def test_nobody_is_told_to_run_a_night_again_that_is_before_the_floor(
    lake: Store, tmp_path: Path, run: Run
) -> None:
    first, _ = (go_live(lake, tmp_path, days) for days in range(2))
    lake.write(f"{layout.version(first)}/top_n/part-00001.parquet", b"!")
    code, said = run("verify", "--all")
    assert (code, f"(run check for {NIGHT} again, once " in said) == (2, True), said
    floors.raise_to(lake, NIGHT + timedelta(days=1))
    code, said = run("verify", "--all")
    assert code == 2
    assert f"(night {NIGHT} can no longer be run again: put it back from a copy of the lake" in said
    assert f"run check for {NIGHT}" not in said


@pytest.mark.parametrize("number", [1, 3])
def test_every_command_refuses_an_entry_whose_night_was_altered(
    lake: Store, tmp_path: Path, run: Run, number: int
) -> None:
    for days in range(3):
        go_live(lake, tmp_path, days)
    key = layout.log_entry(number)
    lake.write(key, lake.read(key).replace(b'"run_date": "2026-01-1', b'"run_date": "2026-01-7'))
    for words in (
        ("verify", "--all"),
        ("versions",),
        ("release", "--show"),
        ("rollback", "--why", "bad lists"),
        ("rollback", "--why", "bad lists", "--to", f"{NIGHT}-0123456789ab"),
    ):
        code, said = run(*words)
        assert (code, f"{key} is no entry of the log: its night is" in said) == (2, True), said
        assert "put it back from a copy of the lake" in said
