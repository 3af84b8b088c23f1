"""What people type about versions: one line or table that says it, and an exit code that scripts can go by."""

import json
import os
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline_tasks.__main__ import main
from pipeline_tasks.commands import COMMANDS
from pipeline_tasks.lake import layout, staleness
from pipeline_tasks.lake.records import STAGES, Report
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import catalogue, changes, log
from pipeline_tasks.publishing.difference import Difference
from tests.commands.conftest import Run
from tests.lists import MODEL, NIGHT
from tests.publishing.going_live import go_live
from tests.publishing.test_probe import Careless
from tests.stages.published_night import HEALTH, write_checked, write_records


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("command", ["nightly", "ingest", "report", "outcome", "publish"])
def test_a_night_that_is_not_over_is_refused_and_nothing_is_written(
    lake: Store, run: Run, command: str
) -> None:
    code, said = run(command, "--run-date", "2999-01-01")
    assert (code, said.partition(" (today is ")[0]) == (2, f"{command}: run_date 2999-01-01 is not over yet")
    assert lake.keys("") == []


def test_versions_tell_what_became_of_each(lake: Store, tmp_path: Path, run: Run) -> None:
    assert run("versions") == (0, f"there are no versions in {lake.uri}\n")
    names = [go_live(lake, tmp_path, days) for days in range(3)]
    health = [{"severity": "stop", "holds": False, "sentence": "30% lost"}]
    held = write_checked(lake, tmp_path / "held", NIGHT + timedelta(days=3), health=health).version
    broken = write_checked(lake, tmp_path / "broken", NIGHT + timedelta(days=4), passed=False).version
    changed = asdict(Difference(1, 0, 2, 0, 1, 1, 0.625, 0, 0, [], []))
    ready = write_checked(lake, tmp_path / "ready", NIGHT + timedelta(days=5), difference=changed).version
    assert run("rollback", "--why", "bad lists")[0] == 0
    lake.delete([f"{layout.version(names[0])}/manifest.json"])
    code, said = run("versions")
    assert code == 0
    states = states_in(said)
    assert states == {
        ready: "ready", broken: "refused", held: "held",
        names[2]: "rolled back", names[1]: "live", names[0]: "incomplete",
    }  # fmt: skip
    assert [line.count("62.5%") for line in said.splitlines()] == [0, 1, 0, 0, 0, 0, 0]
    told = json.loads(run("versions", "--json")[1])
    assert [each["name"] for each in told] == list(states)


@pytest.mark.parametrize("altered", [b"{", b"[]", b"{}", b'{"tables": [], "users": "7"}'])
def test_a_version_whose_manifest_was_altered_is_listed_as_damaged_and_stops_no_other(
    lake: Store, tmp_path: Path, run: Run, altered: bytes
) -> None:
    first, second = (go_live(lake, tmp_path, days) for days in range(2))
    damaged, held = (
        write_checked(lake, tmp_path / str(days), NIGHT + timedelta(days=days), health=[HEALTH]).version
        for days in (2, 3)
    )
    for name in (first, damaged):
        lake.write(f"{layout.version(name)}/manifest.json", altered)
    code, said = run("versions")
    assert code == 0, said
    assert states_in(said) == {held: "held", damaged: "damaged", second: "live", first: "damaged"}
    assert said.count("manifest.json has been altered") == 2
    code, said = run("release", "--version", damaged)
    assert code == 2
    assert f"{damaged} cannot be released: its manifest, or its night's verdict, has been altered" in said
    assert json.loads(run("release", "--show")[1])["version"] == held


def test_a_version_whose_verdict_or_record_is_damaged_is_listed_with_what_that_is(
    lake: Store, tmp_path: Path, run: Run
) -> None:
    first, second = (go_live(lake, tmp_path, days) for days in range(2))
    nights = [NIGHT + timedelta(days=days) for days in range(4)]
    verdicts = [write_checked(lake, tmp_path / str(night), night, health=[HEALTH]) for night in nights[2:]]
    damaged, held = (verdict.version for verdict in verdicts)
    for night in nights[1:3]:
        lake.write(layout.verdict(night), b"{")
    lake.write(layout.record(nights[0], "evaluate"), b"{")
    code, said = run("versions")
    assert code == 0, said
    assert states_in(said) == {held: "held", damaged: "damaged", second: "live", first: "was live"}
    below = [line.strip() for line in said.splitlines() if line.startswith(" " * 24)]
    assert [line.split(" is damaged: ")[0].rpartition("/")[2] for line in below] == [
        f"run_date={nights[2]}.json", f"run_date={nights[1]}.json", "evaluate.json",
    ]  # fmt: skip
    assert json.loads(run("release", "--show")[1])["version"] == held
    code, said = run("release", "--version", damaged)
    assert code == 2
    assert f"{damaged} cannot be released: its manifest, or its night's verdict, has been altered" in said
    changes.release(lake, nights[3], verdicts[1], "ann", "looks good")
    code, said = run("release")  # not an older one in the place of what may wait
    assert code == 2
    assert f"whether {damaged} waits to be released cannot be told: " in said


def states_in(said: str) -> dict[str, str]:
    """Return what `versions` calls each version; what it says of one is in lines below it."""
    rows = (line for line in said.splitlines()[1:] if not line.startswith(" "))
    return {line.split()[0]: line[24:37].strip() for line in rows}


def test_versions_tell_the_model_and_what_it_measured_in_the_role_that_it_serves_in(
    lake: Store, tmp_path: Path, run: Run
) -> None:
    write_checked(lake, tmp_path)
    metrics = {"challenger popular": {"ndcg@10": 0.3807, "recall@10": 0.2}, "popular": {"ndcg@10": 0.1}}
    facts = {"serving": {"model_version": MODEL}, "role": "challenger", "metrics": metrics}
    write_records(lake, "evaluate", evaluate={"report": Report("measured", facts=facts)})
    assert run("versions")[1].splitlines()[1].split()[1:4] == ["ready", "popular", "0.3807"]
    (told,) = json.loads(run("versions", "--json")[1])
    assert told["manifest"]["model"]["name"] == "popular"
    assert told["metrics"] == metrics["challenger popular"]


def test_versions_tell_which_were_made_from_what_has_changed_since(
    lake: Store, tmp_path: Path, run: Run
) -> None:
    replaced = write_checked(lake, tmp_path / "a", NIGHT, {"ann": ["i1"]}).version
    first = write_checked(lake, tmp_path / "b", NIGHT).version
    second = write_checked(lake, tmp_path / "c", NIGHT + timedelta(days=1)).version
    write_records(lake, night=NIGHT)
    write_records(lake, night=NIGHT + timedelta(days=1))
    why = "train of 2026-01-09 was run again with another result"
    staleness.mark_after(lake, NIGHT - timedelta(days=1), why)
    staleness.clear(lake, NIGHT + timedelta(days=1))
    told = {each["name"]: each["stale"] for each in json.loads(run("versions", "--json")[1])}
    assert told == {second: None, first: why, replaced: None}
    said = run("versions")[1].splitlines()
    assert [line for line in said if "stale" in line] == [f"{'':<24}stale: {why}"]
    assert said[said.index(f"{'':<24}stale: {why}") - 1].startswith(first)
    assert f"warning: stale, {why}" in json.loads(run("release", "--show", "--version", first)[1])["text"]


def test_a_version_whose_night_was_begun_again_and_got_no_further_is_told(
    lake: Store, tmp_path: Path, run: Run
) -> None:
    held = write_checked(lake, tmp_path, health=[HEALTH]).version
    write_records(lake, "check", **{stage: {"turn": turn} for turn, stage in enumerate(STAGES, 1)})
    assert json.loads(run("versions", "--json")[1])[0]["stale"] is None
    write_records(lake, "ingest", ingest={"turn": len(STAGES), "status": "refused"})
    assert json.loads(run("versions", "--json")[1])[0]["stale"] is None
    write_records(lake, "ingest", ingest={"turn": len(STAGES)})
    why = f"night {NIGHT} was begun again, and has not been checked since"
    assert json.loads(run("versions", "--json")[1])[0]["stale"] == why
    assert f"warning: stale, {why}" in json.loads(run("release", "--show", "--version", held)[1])["text"]
    refused = {"turn": len(STAGES) + 1, "status": "refused", "changed_before": len(STAGES)}
    for again in (refused, {"turn": len(STAGES) + 1, "status": "failed"}):
        write_records(lake, "ingest", ingest=again)
        assert json.loads(run("versions", "--json")[1])[0]["stale"] == why


def test_a_folder_that_is_no_version_is_in_nobodys_way(lake: Store, tmp_path: Path, run: Run) -> None:
    held = write_checked(lake, tmp_path, health=[HEALTH]).version
    for stray in ("backup", "2026-99-99-0123456789ab", f"{NIGHT}-copy"):
        lake.write(f"{catalogue.FOLDER}{stray}/manifest.json", b"{}")
    code, said = run("versions")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == ["version", held]
    assert json.loads(run("release", "--show")[1])["version"] == held
    assert run("verify", "--all")[0] == 0
    assert run("release", "--version", "backup")[0] == 2


def test_diff_tells_what_changed(lake: Store, tmp_path: Path, run: Run) -> None:
    names = [go_live(lake, tmp_path, days) for days in range(2)]
    code, said = run("diff", names[0], "live")
    assert code == 0
    assert said.startswith(f"from {names[0]} to {names[1]}\nusers      1 in both, 1 new, 1 gone")
    assert json.loads(run("diff", names[0], names[1], "--json")[1])["same"] == 1
    code, said = run("diff", names[0], "2026-01-01-aaaaaaaaaaaa")
    assert (code, "there is no" in said) == (2, True)


def test_rollback_wants_a_reason_and_takes_it_from_the_environment_too(
    lake: Store, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [go_live(lake, tmp_path, days) for days in range(3)]
    code, said = run("rollback")
    assert (code, "without a reason" in said) == (2, True)
    monkeypatch.setenv("NIGHTJAR_WHY", "bad lists")
    monkeypatch.setenv("NIGHTJAR_VERSION", names[0])
    assert run("rollback") == (0, f"{names[0]} of night 2026-01-10 is live again, entry 4 of the log\n")
    entry = log.newest(lake)
    assert entry is not None
    assert (entry.action, entry.why) == ("rollback", "bad lists")


def test_doctor_trusts_a_local_lake(lake: Store, run: Run) -> None:
    code, said = run("doctor", "--rounds", "2")
    assert code == 0
    assert said.endswith(f"{lake.uri} keeps what the commit log rests on\n")
    assert said.count("  yes  ") == 5


def test_a_store_is_not_trusted_without_a_race(run: Run) -> None:
    code, said = run("doctor", "--rounds", "0")
    assert (code, said) == (2, "doctor: 0 rounds prove nothing (say --rounds 1, or more)\n")


def test_a_night_is_not_begun_to_be_forced_without_a_reason(run: Run) -> None:
    code, said = run("nightly", "--run-date", str(NIGHT), "--publish", "force")
    assert (code, said) == (2, "nightly: a night is forced without a reason (say --why: the log keeps it)\n")


def test_what_cannot_be_kept_as_utf_8_is_refused(
    lake: Store, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_live(lake, tmp_path, 0)
    go_live(lake, tmp_path, 1)
    latin = os.fsdecode(b"schlechte Listen f\xfcr alle")
    code, said = run("rollback", "--why", latin)
    assert code == 2
    assert "the command line holds what is not UTF-8" in said
    monkeypatch.setenv("NIGHTJAR_WHY", latin)
    assert "NIGHTJAR_WHY holds what is not UTF-8" in run("rollback")[1]
    assert len(log.history(lake)) == 2


def test_doctor_does_not_trust_a_store_that_honours_no_condition(
    lake: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline_tasks.lake.store.open_store", lambda uri: Careless(lake, at=99))
    code, said = run("doctor", "--rounds", "2")
    assert code == 2
    assert f"{lake.uri} is not to be trusted: " in said
