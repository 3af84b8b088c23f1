"""Settings: the environment goes before the file, and a wrong key or value is one clear line."""

import os
import traceback
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline_tasks import settings
from pipeline_tasks.errors import Refused
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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[train]\nepochs = 0\n", ["train.epochs", "greater than or equal to 1", "found 0"]),
        ("[train]\nepoch = 3\n", ["train.epoch", "is no setting"]),
        (
            "[publish]\nmode = 'maybe'\n",
            ["publish.mode", "'auto', 'hold', 'force' or 'off'", "found 'maybe'"],
        ),
        (
            "[quality.quarantine_budget]\nitem = 0.1\n",
            ["quarantine_budget: 'item' is no table; there are interactions, items, users"],
        ),
        (
            "[quality.quarantine_budget]\nitems = 5\n",
            ["quarantine_budget.items: 5.0 is no share from 0 to 1"],
        ),
        ("[check]\nstops = ['lost']\n", ["stops: 'lost' is no limit", "users_lost"]),
        ("[train\n", ["not valid TOML", "line 1"]),
        (
            "[sources.x.interactions]\nuri='a'\nformat='csv'\ncolumns={user_id='u', item='i'}\n",
            ["'item' is no column", "item_id"],
        ),
        (
            "[sources.x.interactions]\nuri='a'\nformat='csv'\ncolumns={user_id='u'}\n",
            ["'item_id' must be mapped"],
        ),
        ("[train]\ndim = 30\nheads = 4\n", ["dim: 30 is not a multiple of heads (4)"]),
        ("[airflow]\ndeadline = '6:00'\n", ["airflow.deadline", "found '6:00'"]),
        (
            "[airflow]\ndeadline = '06:00'\nschedule = '*/30 * * * *'\n",
            ["deadline is after one time of day", "(*/30 * * * *)"],
        ),
        (
            "[notify]\nwebhook = 'hooks.example.com'\n",
            ["notify.webhook", "must be an http:// or https:// URL"],
        ),
        ("[notify]\nreport_url = 'reports'\n", ["notify.report_url", "found 'reports'"]),
        ("[notify.mail]\nhost = 'mail'\nto = 'ann@example.com'\n", ["sender must be an address"]),
        ("[notify.mail]\nhost = 'mail'\nsender = 'a@b.example'\n", ["to must be an address"]),
        ("[notify.mail]\nuser = 'ann'\ntls = 'none'\n", ["a password is not sent over tls = none"]),
        ("[rules]\nseen = {buy = 0}\n", ["rules.seen says", "set recommend.exclude_seen to false"]),
        ("[rules]\nseen = {buy = -1}\n", ["rules", "seen: buy is -1 days"]),
        (
            "[recommend]\nexclude_seen = false\n[rules]\nseen = {buy = 0}\n[sources.x.interactions]\nuri='a'\n"
            "format='csv'\ncolumns={user_id='u', item_id='i', event_time='t'}\n",
            ["no source has the event type 'buy'; there are view"],
        ),
        ("[rules]\ndiversity = 1\n", ["rules.diversity", "less than 1", "found 1"]),
        ("[rules.caps]\ntop = {brand = 1}\n", ["rules.caps.top", "'top_n', 'similar_items' or 'popular'"]),
        ("[[rules.pins]]\nitem='a'\nrank=21\n", ["'a' has rank 21, and a list of top_n has 20 places"]),
        (
            "[[rules.pins]]\nitem='a'\nrank=1\nlist='all'\n",
            ["'a' has list = \"all\", which only popular has", "leave list empty"],
        ),
        (
            "[[rules.pins]]\nitem='a'\nrank=1\nlist='all'\ntables=['top_n', 'popular']\n",
            ["'a' has list = \"all\"", "its tables are top_n, popular", "pin it in popular alone"],
        ),
        (
            "[[rules.pins]]\nitem='a'\nrank=1\nuntil=2026-01-05\n"
            "[[rules.pins]]\nitem='b'\nrank=1\nsince=2026-01-05\n",
            ["'a' and 'b' have both rank 1 of the same lists"],
        ),
        (
            "[[rules.pins]]\nitem='a'\nrank=1\nsince=2026-01-05\nuntil=2026-01-04\n",
            ["rules.pins.0", "until: 2026-01-04 is before since"],
        ),
        ("[[rules.boosts]]\nplaces=3\n", ["a boost names an item, a category or a brand"]),
    ],
)
def test_a_wrong_file_is_refused_with_key_found_and_allowed(
    config: Path, content: str, said: list[str]
) -> None:
    config.write_text(content)
    text = refusal()
    assert all(part in text for part in [*said, str(config)])


INTERACTIONS = (
    "[sources.x.interactions]\nuri='a'\nformat='csv'\ncolumns={user_id='u', item_id='i', event_time='t'}\n"
)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ("view = -1.0", ["sources.x.events.view", "greater than or equal to 0"]),
        ("view = inf", ["sources.x.events.view", "finite number"]),
        ("view = nan", ["sources.x.events.view"]),
        ("\n".join(f"e{n} = 1.0" for n in range(127)) + "\nview = 1.0", ["sources.x.events", "at most 127"]),
    ],
    ids=["negative", "infinite", "no number", "too many"],
)
def test_event_types_that_no_night_can_be_made_with_are_refused(
    config: Path, events: str, said: list[str]
) -> None:
    config.write_text(f"{INTERACTIONS}[sources.x.events]\n{events}\n")
    text = refusal()
    assert all(part in text for part in said)


def test_event_types_may_weigh_nothing(config: Path) -> None:
    config.write_text(f"{INTERACTIONS}[sources.x.events]\nview = 1.0\nwish = 0\n")
    assert settings.load().sources["x"].events == {"view": 1.0, "wish": 0.0}


def test_a_wrong_variable_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("")
    monkeypatch.setenv("NIGHTJAR_TRAIN__DIM", "wide")
    assert "train.dim in environment variable NIGHTJAR_TRAIN__DIM" in refusal()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NOTIFY__MAIL", '{"passwort": 5}', "notify.mail.passwort in environment variable {} is no setting"),
        ("NOTIFY", '{"mail": {"port": 0}}', "notify.mail.port in environment variable {}: "),
        ("RULES", '{"pins": [{"item": "a"}]}', "rules.pins.0.rank in environment variable {}: "),
        ("NOTIFY__MAIL__HOST", "mail", "notify.mail in environment variable {} and {config}: sender"),
        ("TRAIN", '{"epochs": 3}', "train.dim in {config}: "),
    ],
)
def test_a_wrong_value_is_looked_for_in_the_variables_of_its_section_and_of_its_keys(
    config: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    config.write_text("[train]\ndim = 0\n" if name == "TRAIN" else "")
    monkeypatch.setenv(f"NIGHTJAR_{name}", value)
    assert refusal().startswith(said.format(f"NIGHTJAR_{name}", config=config))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RULES__BLOCKED_ITEMS", "sku-17"),
        ("RULES__BLOCKED_ITEMS", '["sku-17"'),
        ("RULES", "SECRETTOKEN"),
        ("NOTIFY", '{"webhook": "https://hooks.example.com/SECRETTOKEN"'),
    ],
)
def test_a_variable_that_is_not_json_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    config.write_text("")
    monkeypatch.setenv("NIGHTJAR_DATA", value)  # takes any text
    monkeypatch.setenv(f"NIGHTJAR_{name}", value)
    with pytest.raises(Refused) as caught:
        settings.load()
    assert str(caught.value).startswith(f"NIGHTJAR_{name} in the environment is not valid JSON (")
    assert "\n" not in str(caught.value)
    assert value not in "".join(traceback.format_exception(caught.value))


def test_tables_without_a_budget_of_their_own_keep_the_default(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[quality.quarantine_budget]\nitems = 0.2\n")
    monkeypatch.setenv("NIGHTJAR_QUALITY__QUARANTINE_BUDGET__USERS", "0.5")
    assert settings.load().quality.quarantine_budget == {"interactions": 0.05, "items": 0.2, "users": 0.5}


def test_an_unknown_variable_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("")
    monkeypatch.setenv("NIGHTJAR_TRIAN__DIM", "64")
    assert "NIGHTJAR_TRIAN__DIM in the environment is no setting" in refusal()


def test_what_kubernetes_says_of_a_service_called_nightjar_is_no_setting(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("")
    for name, value in {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "80",
        "SERVICE_PORT_HTTP": "80",
        "PORT": "tcp://10.0.0.1:80",
        "PORT_80_TCP": "tcp://10.0.0.1:80",
        "PORT_80_TCP_PROTO": "tcp",
        "PORT_80_TCP_PORT": "80",
        "PORT_80_TCP_ADDR": "10.0.0.1",
    }.items():
        monkeypatch.setenv(f"NIGHTJAR_{name}", value)
    settings.load()
    monkeypatch.setenv("NIGHTJAR_PORTS", "80")
    assert refusal().startswith("NIGHTJAR_PORTS in the environment is no setting")


def test_a_missing_file_is_refused(config: Path) -> None:
    assert f"no settings file at {config}" in refusal()


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


@pytest.mark.parametrize("section", ["airflow", "retention"])
@pytest.mark.parametrize("schedule", ["nonsense", "", "0 25 * * *", "0 2 * *", "@nightly", "0 2 * * 1-9"])
def test_a_schedule_that_takes_the_dag_away_is_refused(config: Path, section: str, schedule: str) -> None:
    config.write_text(f"[{section}]\nschedule = '{schedule}'\n")
    assert refusal().startswith(f"{section}.schedule in {config}: {schedule!r} is no cron expression; write")


@pytest.mark.parametrize(
    "schedule",
    ["@quarterly", "*/30 1-5,7 * * *", "0 2 * jan-MAR mon,FRI", "0 2 L * *", "0 2 * * 1#2", "0 2 * * * 30"],
)
def test_a_schedule_that_airflow_takes_is_taken(make_settings, schedule: str) -> None:
    assert make_settings(airflow={"schedule": schedule}).airflow.schedule == schedule


@pytest.mark.parametrize(
    ("schedule", "deadline", "hours"),
    [
        ("0 2 * * *", "06:00", 4),
        ("30 23 * * 1-5", "05:30", 6),
        ("0 2 * * *", "01:00", 23),
        ("0 2 * * *", "02:00", 24),
    ],
)
def test_the_deadline_is_the_next_of_its_time_after_the_schedule(
    make_settings, schedule: str, deadline: str, hours: int
) -> None:
    airflow = make_settings(airflow={"schedule": schedule, "deadline": deadline}).airflow
    assert airflow.deadline_after == timedelta(hours=hours)


def test_without_a_deadline_there_is_none(make_settings) -> None:
    assert make_settings(airflow={"schedule": "*/30 * * * *"}).airflow.deadline_after is None


@pytest.mark.parametrize("text", ["2018-9-24", "24.09.2018", "2018-02-30", "", "2018-09-24; rm -rf /"])
def test_a_malformed_run_date_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="YYYY-MM-DD"):
        settings.parse_run_date(text)


def test_a_night_ends_at_midnight_after_its_date() -> None:
    assert settings.night_end(date(2026, 6, 30)) == datetime(2026, 7, 1, tzinfo=UTC)


def test_every_setting_explains_itself() -> None:
    meanings = {key: meaning for key, _, meaning in rows()}
    assert [key for key, meaning in meanings.items() if not meaning.removeprefix("Required. ")] == []
    assert meanings["sources.<name>.interactions.uri"].startswith("Required. File, folder or glob")
    strategy = "sources.<name>.missing.<table>.<column>[]"
    assert {f"{strategy}.{key}" for key in ("strategy", "value", "by")} <= set(meanings)
    assert {"lake", "train.epochs", "rules.caps.<table>.brand", "rules.pins[].item"} <= set(meanings)


def test_the_tests_run_without_settings_of_the_caller() -> None:
    assert not [name for name in os.environ if name.startswith("NIGHTJAR_")]
