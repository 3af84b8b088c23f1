"""The README stays true: its settings table is made from the settings, and its examples run as they stand."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline_tasks.contracts import PUBLISHED_TABLES
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.publishing import log
from pipeline_tasks.reader import open_current
from pipeline_tasks.settings.table import markdown
from tests.test_reader import go_live

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_settings_table_is_the_settings() -> None:
    assert markdown() in README


def test_every_published_column_is_explained() -> None:
    for contract in PUBLISHED_TABLES.values():
        for column in contract.columns:
            assert f"| `{column.name}` | {column.type} | {column.doc} |" in README


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).resolve().parent.parent / target).exists(), target


@pytest.fixture(params=["lake", "my lake é #1%20"])
def published(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A local lake with a version that is live."""
    lake = LocalStore(tmp_path / request.param)
    go_live(lake, tmp_path / "files", {"ann": ["i1", "i2"], "bob": ["i2", "i3"]})
    log.refresh_current(lake)
    return lake.root


@pytest.fixture
def state(published: Path, make_settings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Feast's state folder of that lake, with its lists online; FEAST_STATE_DIR names it."""
    from pipeline_tasks.featurestore.lists import push

    settings = make_settings(lake=published.as_uri())
    version = open_current(published.as_uri())
    push(settings, version, version.run_date)
    monkeypatch.setenv("FEAST_STATE_DIR", str(settings.state_dir))
    monkeypatch.chdir(Path(__file__).resolve().parent.parent)
    return settings.state_dir


def run_example(number: int, lake: Path) -> dict[str, Any]:
    """Run an example as it stands but for the lake's place; return what it has named."""
    example = EXAMPLES[number]
    code = example.replace("file:///srv/nightjar/lake", lake.as_uri()).replace(
        "/srv/nightjar/lake", str(lake)
    )
    assert code != example
    names: dict[str, Any] = {}
    exec(compile(code, f"README example {number}", "exec"), names)
    return names


def example(text: str) -> int:
    """Return the number of the one example that holds `text`."""
    (number,) = (number for number, code in enumerate(EXAMPLES) if text in code)
    return number


ONLINE = example("get_online_features")


@pytest.mark.parametrize("number", [n for n in range(len(EXAMPLES)) if n != ONLINE])
def test_every_example_runs(number: int, published: Path, spark: Any) -> None:
    assert run_example(number, published)  # what it has named


def test_duckdb_and_polars_see_what_is_live(published: Path) -> None:
    found = run_example(example("scan_parquet"), published)
    assert found["best"].sort("user_id").rows() == [("ann", "i1"), ("bob", "i2")]
    assert sorted(found["counts"].rows()) == [("i1", 1), ("i2", 2), ("i3", 1)]


def test_spark_sees_what_is_live(published: Path, spark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run_example(example("SparkSession"), published)
    assert "|     i1|             i2|" in capsys.readouterr().out


def test_plain_sql_sees_what_is_live(published: Path) -> None:
    (statement,) = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    with duckdb.connect() as connection:
        found = connection.execute(statement.replace("/srv/nightjar/lake", str(published))).fetchall()
    assert found == [(1, "i1", 1.0), (2, "i2", 0.5)]


def test_a_service_is_told_the_live_lists(state: Path, published: Path) -> None:
    assert run_example(ONLINE, published)["lists"]["item_ids"] == [["i1", "i2"], ["i2", "i3"]]
