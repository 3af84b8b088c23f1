"""What is wrong in the file or in the environment is one clear line: which key, what was found, what is allowed."""

import traceback
from pathlib import Path

import pytest

from pipeline_tasks import settings
from pipeline_tasks.errors import Refused
from tests.settings.refusals import refusal


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
        (
            "[evaluate]\nmax_users = 20\n",
            ["evaluate.max_users is 20, and dataset.holdout_min_users 30", "30 at least"],
        ),
        ("state = '/tmp/a[1]b'\n", ["state is in /tmp/a[1]b", "Spark takes [ ] in a path for a pattern"]),
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


def test_an_unknown_variable_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("")
    monkeypatch.setenv("NIGHTJAR_TRIAN__DIM", "64")
    assert "NIGHTJAR_TRIAN__DIM in the environment is no setting" in refusal()


@pytest.mark.parametrize("service", ["", "REDIS_", "POSTGRESQL_HL_"])
def test_what_kubernetes_says_of_a_service_called_nightjar_is_no_setting(
    config: Path, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    config.write_text("")
    without = settings.load()
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
        monkeypatch.setenv(f"NIGHTJAR_{service}{name}", value)
    assert settings.load() == without


@pytest.mark.parametrize("name", ["PORTS", "PORT", "NOTIFY_MAIL_PORT", "NOTFY__MAIL__PORT"])
def test_what_only_looks_as_if_it_were_of_a_service_is_refused(
    config: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    config.write_text("")
    monkeypatch.setenv(f"NIGHTJAR_{name}", "25")
    assert refusal().startswith(f"NIGHTJAR_{name} in the environment is no setting")


def test_a_missing_file_is_refused(config: Path) -> None:
    assert f"no settings file at {config}" in refusal()
