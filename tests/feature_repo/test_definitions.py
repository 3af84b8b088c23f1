"""The feature repository: definitions only, all of them made from the contracts, as `feast apply` reads them."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from feast import FileSource

from pipeline_tasks.contracts import FEATURE_VIEWS, ONLINE_LISTS
from pipeline_tasks.featurestore import definitions
from pipeline_tasks.featurestore.opening import REPOSITORY, open_feature_store, read_definitions
from pipeline_tasks.settings import Settings


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(definitions.STATE_VARIABLE, str(tmp_path))


def test_there_is_a_view_for_each_contract_with_its_columns_and_types() -> None:
    views = {view.name: view for view in read_definitions(REPOSITORY).feature_views}
    assert set(views) == {*FEATURE_VIEWS, ONLINE_LISTS.name}
    for name, contract in FEATURE_VIEWS.items():
        fields = {field.name: field.dtype for field in views[name].features}
        expected = {c.name: definitions.TYPES[c.type] for c in contract.columns if c.name not in contract.key}
        assert fields == expected
        assert [field.name for field in views[name].entity_columns] == [definitions.entity_key(contract)]


def test_the_view_of_lists_is_keyed_by_version_and_user() -> None:
    (view,) = (v for v in read_definitions(REPOSITORY).feature_views if v.name == ONLINE_LISTS.name)
    fields = {field.name: field.dtype for field in [*view.entity_columns, *view.features]}
    wanted = {c.name: definitions.TYPES[c.type] for c in ONLINE_LISTS.columns if c.name != definitions.STAMP}
    assert fields == wanted
    assert {column.name for column in view.entity_columns} == {"version", "user_id"}


def test_the_ranking_service_serves_every_feature() -> None:
    (service,) = read_definitions(REPOSITORY).feature_services
    served = {
        (view.name, feature.name) for view in service.feature_view_projections for feature in view.features
    }
    wanted = {(c.name, name) for c in FEATURE_VIEWS.values() for name in definitions.feature_names(c)}
    assert (service.name, served) == ("ranking", wanted)


def test_the_definitions_are_read_anew_for_another_lake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read_definitions(REPOSITORY)
    monkeypatch.setenv(definitions.STATE_VARIABLE, str(tmp_path / "other"))
    sources = read_definitions(REPOSITORY).data_sources
    paths = [source.path for source in sources if isinstance(source, FileSource)]
    assert len(paths) == len(FEATURE_VIEWS) + 1
    assert all(path.startswith(str(tmp_path / "other")) for path in paths)
    assert "views" not in sys.modules


def test_the_repository_holds_definitions_and_no_other_code() -> None:
    for path in REPOSITORY.rglob("*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body[1:]  # after the docstring
        assert all(isinstance(node, ast.Import | ast.ImportFrom | ast.Assign) for node in body), path


def test_applying_twice_changes_nothing(
    make_settings: Callable[..., Settings], capfd: pytest.CaptureFixture[str]
) -> None:
    settings = make_settings()
    with open_feature_store(settings):
        assert "Created feature view user_features" in capfd.readouterr().err
    with open_feature_store(settings) as store:
        said = capfd.readouterr().err
        assert not any(word in said for word in ("Created", "Updated", "Deleted"))
        assert [project.name for project in store.list_projects()] == ["nightjar"]


def test_a_view_that_is_no_longer_defined_leaves_the_registry(make_settings: Callable[..., Settings]) -> None:
    from feast import FeatureView

    settings = make_settings()
    with open_feature_store(settings) as store:
        old = store.get_feature_view("user_features")
        store.apply(FeatureView(name="old_features", entities=[store.get_entity("user")], source=old.batch_source,
                                schema=old.schema))  # fmt: skip
    with open_feature_store(settings) as store:
        assert {view.name for view in store.list_feature_views()} == {*FEATURE_VIEWS, ONLINE_LISTS.name}


def test_feasts_own_command_reads_the_same_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner
    from feast.cli.cli import cli

    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(REPOSITORY)
    done = CliRunner().invoke(cli, ["apply", "--skip-source-validation"], catch_exceptions=False)
    for path in REPOSITORY.glob("*.py"):  # what the command imported is of this test's state folder
        del sys.modules[path.stem]
    assert done.exit_code == 0
    assert "Created feature service ranking" in done.output
    assert (tmp_path / "registry.db").is_file()
