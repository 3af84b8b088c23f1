"""Secrets among the settings: neither printed settings nor refusals show one."""

import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline_tasks import settings
from pipeline_tasks.errors import Refused
from tests.settings.refusals import refusal


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"NOTIFY__WEBHOOK": "hooks.slack.com/services/T0/B0/SECRETTOKEN"}, "notify.webhook"),
        ({"NOTIFY__MAIL__PASSWORD__X": "SECRETTOKEN"}, "notify.mail.password"),
        ({"NOTIFY": '"SECRETTOKEN"'}, "notify"),
        (
            {
                "NOTIFY__MAIL__PASSWORD": "SECRETTOKEN",
                "NOTIFY__MAIL__USER": "ann",
                "NOTIFY__MAIL__TLS": "none",
            },
            "notify.mail",
        ),
    ],
)
def test_a_wrong_secret_is_in_no_line_of_the_traceback(
    config: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    config.write_text("")
    for name, value in variables.items():
        monkeypatch.setenv(f"NIGHTJAR_{name}", value)
    with pytest.raises(Refused, match=rf"^{said} in ") as caught:
        settings.load()
    assert "SECRETTOKEN" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(ValidationError) as raw:
        settings.Settings()
    assert "SECRETTOKEN" not in str(raw.value)


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "NIGHTJAR_SPARK__CONF", '{"spark.hadoop.fs.s3a.secret.key": "hush", "a.url": "x://me:hush@h/"}'
    )
    shown = str(settings.masked(settings.load()))
    assert "hush" not in shown
    assert "x://me:***@h/" in shown


@pytest.mark.parametrize(
    "key",
    [
        "spark.hadoop.fs.s3a.encryption.key",
        "spark.hadoop.fs.azure.account.key.shop.dfs.core.windows.net",
        "spark.hadoop.fs.gs.auth.service.account.private.key",
        "ssl.passphrase",
        "db_pwd",
        "some.api-key",
    ],
)
def test_sparks_keys_are_masked(make_settings, key: str) -> None:
    assert settings.masked(make_settings(spark={"conf": {key: "hush"}}))["spark"]["conf"][key] == "***"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:hush@h:6379/0", "redis://:***@h:6379/0"),
        ("x://me:hu@sh@h/", "x://me:***@h/"),
        ("x://h:80/a@b", "x://h:80/a@b"),
    ],
)
def test_passwords_in_urls_are_masked(make_settings, url: str, shown: str) -> None:
    assert settings.masked(make_settings(spark={"conf": {"a.url": url}}))["spark"]["conf"]["a.url"] == shown


def test_whom_to_tell_and_how_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTJAR_NOTIFY__WEBHOOK", "https://hooks.example.com/services/hush")
    monkeypatch.setenv("NIGHTJAR_NOTIFY__MAIL__PASSWORD", "hush")
    loaded = settings.load()
    assert loaded.notify.webhook.get_secret_value().endswith("/hush")
    assert "hush" not in repr(loaded) + str(settings.masked(loaded)) + loaded.model_dump_json()
    assert settings.masked(loaded)["notify"]["webhook"] == "***"


@pytest.mark.parametrize(
    "value",
    [
        '["https://hush.example.com"]',
        '{"webhook": ["hush"]}',
        '{"mail": "hush"}',
        '"hush"',
        '{"webhook": "hush"}',
    ],
)
def test_a_refusal_shows_no_secret(config: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    config.write_text("")
    monkeypatch.setenv("NIGHTJAR_NOTIFY", value)
    text = refusal()
    assert text.startswith("notify")
    assert "hush" not in text
