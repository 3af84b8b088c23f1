"""Lists are online before their version is live, by (version, user); a failure leaves what was live."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.contracts import ONLINE_LISTS
from pipeline_tasks.errors import NightjarError, NothingToDo
from pipeline_tasks.featurestore import lists
from pipeline_tasks.featurestore.opening import open_feature_store
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import changes, log
from pipeline_tasks.reader import open_current
from pipeline_tasks.settings import Settings
from pipeline_tasks.stages import publish
from tests.failing_store import Killed
from tests.lists import NIGHT
from tests.stages.published_night import write_checked

USERS = {f"u{n:03d}": [f"i{n}", "i1", "i2"][: 1 + n % 3] for n in range(50)}
FEATURES = [f"{ONLINE_LISTS.name}:{name}" for name in ("item_ids", "scores", "reasons")]


@pytest.fixture
def asking(either_lake: Store, make_settings: Callable[..., Any]) -> Settings:
    settings: Settings = make_settings(lake=either_lake.uri, publish={"online": True})
    return settings


def online(settings: Settings, version: str, *users: str) -> list[list[str] | None]:
    with open_feature_store(settings) as store:
        rows = [{"version": version, "user_id": user} for user in users]
        found: list[list[str] | None] = store.get_online_features(FEATURES, rows).to_dict()["item_ids"]
        return found


def rows_online(settings: Settings) -> int:
    with closing(sqlite3.connect(settings.state_dir / "online.db")) as connection:
        ((rows,),) = connection.execute(f'SELECT count(*) FROM "nightjar_{ONLINE_LISTS.name}"')
        return int(rows)


def test_every_list_is_online_by_version_and_user_when_its_version_goes_live(
    either_lake: Store, asking: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "ROWS_AT_A_TIME", 20)
    write_checked(either_lake, tmp_path, lists=USERS)
    report = publish.run(asking, NIGHT)
    assert report.summary.endswith("is live, entry 1 of the log; 50 lists online")
    assert report.facts["online"] == 50
    version = open_current(either_lake.uri)
    with open_feature_store(asking) as store:
        keys = [{"version": version.name, "user_id": user} for user in [*USERS, "nobody"]]
        found = store.get_online_features(FEATURES, keys).to_dict()
    assert found["item_ids"] == [*USERS.values(), None]
    assert found["reasons"] == [*USERS.values(), None]  # as the builder gives them
    assert found["scores"][2] == [row["score"] for row in version.top_n("u002")]


def test_pushing_again_writes_the_same_rows_and_a_rollback_none(
    either_lake: Store, asking: Settings, tmp_path: Path
) -> None:
    first = write_checked(either_lake, tmp_path / "a", lists=USERS)
    publish.run(asking, NIGHT)
    with pytest.raises(NothingToDo):
        publish.run(asking, NIGHT)
    lists.push(asking, open_current(either_lake.uri), NIGHT)
    assert rows_online(asking) == 3 * len(USERS)
    following = NIGHT + timedelta(days=1)
    write_checked(either_lake, tmp_path / "b", following, {"u001": ["i9"]})
    publish.run(asking, following)
    assert rows_online(asking) == 3 * (len(USERS) + 1)
    changes.roll_back(either_lake, None, "ann", "bad lists")
    name = open_current(either_lake.uri).name
    assert name == first.version
    assert online(asking, name, "u001") == [USERS["u001"]]


def test_rows_leave_with_the_versions_that_the_lake_no_longer_has(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    settings = make_settings(publish={"online": True})
    names = []
    for days in range(3):
        night = NIGHT + timedelta(days=days)
        names.append(write_checked(lake, tmp_path / str(days), night, {"u1": [f"i{days}"]}).version)
        if days == 2:
            lake.delete(lake.keys(f"{layout.version(names[0])}/"))
        publish.run(settings, night)
    assert [online(settings, name, "u1") for name in names] == [[None], [["i1"]], [["i2"]]]


@pytest.mark.parametrize(
    ("error", "said"),
    [(sqlite3.OperationalError("disk I/O error"), "could not be put online: OperationalError: disk I/O error"),
     (Killed(), None)],
)  # fmt: skip
def test_where_the_online_store_fails_nothing_goes_live_and_a_retry_does(
    lake: Store,
    make_settings: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    said: str | None,
) -> None:
    from feast import FeatureStore

    monkeypatch.setattr(lists, "ROWS_AT_A_TIME", 20)
    settings = make_settings(publish={"online": True})
    verdict = write_checked(lake, tmp_path, lists=USERS)
    write, written = FeatureStore.write_to_online_store, 0

    def break_at_the_third(*arguments: Any, **more: Any) -> None:
        nonlocal written
        written += 1
        if written == 3:
            raise error
        write(*arguments, **more)

    monkeypatch.setattr(FeatureStore, "write_to_online_store", break_at_the_third)
    with pytest.raises(type(error) if isinstance(error, Killed) else NightjarError, match=said):
        publish.run(settings, NIGHT)
    assert log.newest(lake) is None
    publish.run(settings, NIGHT)
    assert online(settings, verdict.version, *USERS) == list(USERS.values())


def test_what_is_not_asked_for_imports_no_feast_and_pushes_nothing(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(lake, tmp_path, lists=USERS)
    settings = make_settings()
    report = publish.run(settings, NIGHT)
    assert report.facts["online"] is None
    assert not settings.state_dir.exists()
