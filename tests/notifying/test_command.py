"""`notify` by hand: the exit code says whether it went out, and the screen shows no secret."""

import pytest

from pipeline_tasks.__main__ import main
from pipeline_tasks.lake.store import Store
from tests.lists import NIGHT
from tests.stages.published_night import write_records
from tests.webhook import Webhook


@pytest.fixture
def notify(lake: Store, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The command, of a night that ran out of disk."""
    monkeypatch.setenv("NIGHTJAR_LAKE", lake.uri)
    write_records(lake, "ingest", ingest={"status": "failed", "reason": "no space left"})
    return ("notify", "--run-date", str(NIGHT))


def test_without_a_channel_there_is_nothing_to_do(
    notify: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(notify) == 99
    assert "nobody is to be told (set notify.webhook, or notify.mail.host" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [((200, "ok"), 0, "webhook: sent"), ((410, "gone"), 1, "webhook: not sent: HTTP 410")],
)
def test_the_exit_code_says_whether_it_went_out(
    notify: tuple[str, ...],
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: tuple[int, str],
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv("NIGHTJAR_NOTIFY__WEBHOOK", webhook.url)
    webhook.answers = [answer]
    assert main(notify) == code
    shown = capsys.readouterr()
    assert shown.out.splitlines()[:2] == [f"Nightjar: night {NIGHT} failed", "ingest failed: no space left"]
    assert said in shown.err
    assert "hush" not in shown.out + shown.err
    assert webhook.texts == [shown.out.rstrip("\n")]


def test_of_a_day_that_is_not_over_it_is_said_that_no_stage_takes_it(
    notify: tuple[str, ...], webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTJAR_NOTIFY__WEBHOOK", webhook.url)
    assert main(["notify", "--run-date", "2999-01-01", "--event", "failed", "--said", "Airflow: run 7"]) == 0
    (text,) = webhook.texts
    assert text.splitlines()[0] == "Nightjar: night 2999-01-01 failed"
    assert "run_date 2999-01-01 is not over yet (today is" in text.splitlines()[-2]
    assert text.splitlines()[-1] == "Airflow: run 7"
