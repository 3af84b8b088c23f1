"""What is stored is what was published, or it is said which file, entry or copy is not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, verification
from pipeline_tasks.reader import open_version
from tests.failing_store import FailingStore
from tests.lists import NIGHT
from tests.publishing.going_live import go_live


@pytest.fixture
def two(lake: Store, tmp_path: Path) -> list[str]:
    return [go_live(lake, tmp_path, days) for days in range(2)]


def test_what_is_whole_has_no_faults(either_lake: Store, tmp_path: Path) -> None:
    assert list(verification.faults_of_log(either_lake)) == []
    name = go_live(either_lake, tmp_path, 0)
    assert list(verification.faults_of_log(either_lake)) == []
    assert verification.look(either_lake, name).faults == []


HARMS: dict[str, tuple[Callable[[Store, str], None], str]] = {
    "an entry has gone": (
        lambda lake, _: lake.delete([layout.log_entry(1)]),
        "0000000001.json is missing, and the log has entries after it: put it back from a copy of the lake",
    ),
    "the newest entry has gone": (
        lambda lake, _: lake.delete([layout.log_entry(2)]),
        "entry 2 of the log is lost, and ",
    ),
    "the copy's number was altered": (
        lambda lake, _: lake.write(
            layout.CURRENT, lake.read(layout.CURRENT).replace(b'"sequence": 2', b'"sequence": 7')
        ),
        "is not the newest entry",
    ),
    "an entry is none": (lambda lake, _: lake.write(layout.log_entry(1), b"{}"), "is no entry of the log"),
    "an entry was copied": (
        lambda lake, _: lake.write(layout.log_entry(1), lake.read(layout.log_entry(2))),
        "0000000001.json is no entry of the log: it says that it is entry 2",
    ),
    "the live manifest was altered": (
        lambda lake, live: lake.write(f"{layout.version(live)}/manifest.json", b"{}"),
        "manifest.json has been altered",
    ),
    "the live version has gone": (
        lambda lake, live: lake.delete(lake.keys(f"{layout.version(live)}/")),
        "there is no",
    ),
    "the whole log has gone": (
        lambda lake, _: lake.delete(log.keys(lake)),
        "has no entry left, and current.json is a copy of one: put them back from a copy of the lake",
    ),
    "the copy is old": (
        lambda lake, _: lake.write(layout.CURRENT, lake.read(layout.log_entry(1))),
        "is not the newest entry",
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_each_fault_of_the_log_is_named(lake: Store, two: list[str], harm: str) -> None:
    do, said = HARMS[harm]
    do(lake, two[1])
    assert said in "; ".join(verification.faults_of_log(lake))


def test_what_is_published_meanwhile_is_no_fault(lake: Store, tmp_path: Path, two: list[str]) -> None:
    class Overtaken(FailingStore):
        def keys(self, prefix: str) -> list[str]:
            found = self.inner.keys(prefix)
            if prefix == layout.LOG and len(found) == len(two):
                go_live(self.inner, tmp_path, 2)
            return found

    assert list(verification.faults_of_log(Overtaken(lake, at=99))) == []


def test_an_older_version_may_have_been_removed(lake: Store, two: list[str]) -> None:
    lake.delete(lake.keys(f"{layout.version(two[0])}/"))
    assert list(verification.faults_of_log(lake)) == []
    assert "there is no" in "; ".join(verification.look(lake, two[0]).faults)


@pytest.mark.parametrize("published", [True, False])
def test_a_file_that_differs_is_named(lake: Store, tmp_path: Path, published: bool) -> None:
    name = go_live(lake, tmp_path, 0)
    if not published:
        lake.delete([layout.log_entry(1)])
        assert log.newest(lake) is None
    key = f"{layout.version(name)}/popular/popular.parquet"
    lake.write(key, lake.read(key)[:-1] + b"!")
    (fault,) = verification.look(lake, name).faults
    folder = f"{lake.uri}/{layout.version(name)}"
    assert fault.endswith(
        f"popular.parquet has been altered since it was checked (run check for {NIGHT} again, once {folder} is removed)"
    )
    manifest = f"{layout.version(name)}/manifest.json"
    lake.write(manifest, lake.read(manifest) + b" ")
    (fault,) = verification.look(lake, name).faults
    assert "manifest.json has been altered" in fault
    with pytest.raises(Refused, match="has been altered"):
        open_version(lake.uri, name)
