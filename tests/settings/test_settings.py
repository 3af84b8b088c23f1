"""Settings: the environment goes before the file, and what the file leaves open follows from the rest."""

import os
from pathlib import Path

import pytest

from pipeline_tasks import settings
from pipeline_tasks.settings.table import rows
from tests.settings.refusals import refusal


def test_the_shipped_file_declares_the_shop_and_movielens() -> None:
    loaded = settings.load()
    assert set(loaded.sources) == {"shop", "movielens"}
    assert loaded.sources["shop"].event_types == ["view", "favourite", "cart", "purchase"]


def test_the_environment_goes_before_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[train]\nepochs = 3\ndim = 32\n")
    monkeypatch.setenv("NIGHTJAR_TRAIN__EPOCHS", "5")
    assert (settings.load().train.epochs, settings.load().train.dim) == (5, 32)


def test_tables_without_a_budget_of_their_own_keep_the_default(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[quality.quarantine_budget]\nitems = 0.2\n")
    monkeypatch.setenv("NIGHTJAR_QUALITY__QUARANTINE_BUDGET__USERS", "0.5")
    assert settings.load().quality.quarantine_budget == {"interactions": 0.05, "items": 0.2, "users": 0.5}


def test_the_lake_follows_the_data_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().lake_uri == (settings.CHECKOUT / "lake").as_uri()
    monkeypatch.setenv("NIGHTJAR_DATA", "../films")
    assert settings.load().lake_uri == (settings.CHECKOUT / "lake-films").as_uri()
    monkeypatch.setenv("NIGHTJAR_LAKE", "s3://bucket/nightjar/")
    assert settings.load().lake_uri == "s3://bucket/nightjar"


def test_pins_of_other_days_or_lists_do_not_clash(make_settings) -> None:
    pins = [
        {"item": "a", "rank": 1, "until": "2026-01-04"},
        {"item": "b", "rank": 1, "since": "2026-01-05"},
        {"item": "c", "rank": 1, "list": "country=DE"},
        {"item": "d", "rank": 1, "tables": ["popular"]},
    ]
    assert len(make_settings(rules={"pins": pins}).rules.pins) == 4


def test_spark_fits_als_where_it_is_a_cluster_or_is_asked_to(make_settings) -> None:
    def by_spark(solver: str, master: str, model: str = "ease,als") -> bool:
        train = {"model": model, "als_solver": solver}
        found: bool = make_settings(train=train, spark={"master": master}).als_by_spark
        return found

    cluster = ("spark://host:7077", "yarn", "k8s://https://host:6443")
    assert all(by_spark("auto", master) and not by_spark("local", master) for master in cluster)
    assert not by_spark("auto", "local[*]")
    assert by_spark("spark", "local[*]")
    assert not by_spark("spark", "yarn", "transformer")


@pytest.mark.parametrize("launcher", ["docker", "kubernetes"])
def test_als_by_spark_in_a_container_without_spark_is_refused_before_the_night_begins(
    config: Path, launcher: str
) -> None:
    written = f"[spark]\nmaster = 'yarn'\n[train]\nlauncher = '{launcher}'\n"
    config.write_text(f"{written}model = 'als'\n")
    assert f"train.launcher is {launcher}, whose image has no Spark: set" in refusal()
    for fine in ("model = 'transformer'\n", "model = 'als'\nals_solver = 'local'\n"):
        config.write_text(written + fine)
        assert not settings.load().als_by_spark


@pytest.mark.parametrize("written", ["'ease,gru4rec'", "'ease, gru4rec'", "['ease', 'gru4rec', 'ease']"])
def test_several_models_are_named_in_a_list_or_with_commas(config: Path, written: str) -> None:
    config.write_text(f"[train]\nmodel = {written}\n")
    assert settings.load().train.models == ("ease", "gru4rec")


def test_mails_go_to_several(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[notify.mail]\nto = ['ann@example.com', 'bob@example.com']\n")
    assert settings.load().notify.mail.addressees == ["ann@example.com", "bob@example.com"]
    monkeypatch.setenv("NIGHTJAR_NOTIFY__MAIL__TO", "eve@example.com, ann@example.com")
    assert settings.load().notify.mail.addressees == ["eve@example.com", "ann@example.com"]


def test_every_setting_explains_itself() -> None:
    meanings = {key: meaning for key, _, meaning in rows()}
    assert [key for key, meaning in meanings.items() if not meaning.removeprefix("Required. ")] == []
    assert meanings["sources.<name>.interactions.uri"].startswith("Required. File, folder or glob")
    strategy = "sources.<name>.missing.<table>.<column>[]"
    assert {f"{strategy}.{key}" for key in ("strategy", "value", "by")} <= set(meanings)
    assert {"lake", "train.epochs", "rules.caps.<table>.brand", "rules.pins[].item"} <= set(meanings)


def test_the_tests_run_without_settings_of_the_caller() -> None:
    assert not [name for name in os.environ if name.startswith("NIGHTJAR_")]
