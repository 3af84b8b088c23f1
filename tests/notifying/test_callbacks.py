"""Airflow's contexts, as it gives them: which run and night it is, who is told, and who is not."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_tasks.lake.store import Store
from pipeline_tasks.notifying.callbacks import on_failure, on_missed_deadline, on_other_failure, run_of
from tests.lists import NIGHT
from tests.stages.published_night import write_records
from tests.webhook import Webhook

MORNING = datetime(2026, 1, 11, 2, tzinfo=UTC)
SCHEDULED = f"scheduled__{MORNING.isoformat()}"


def as_object(kind: str = "scheduled", typed: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The context of a failed run, as the DAG processor makes it."""
    usual = {"run_id": f"{kind}__{MORNING.isoformat()}", "run_type": kind, "conf": typed}
    moments = {"logical_date": MORNING, "run_after": MORNING}
    return {"dag_run": SimpleNamespace(**{**usual, **moments, **fields}), "reason": "task_failure"}


def as_json(kind: str = "scheduled", typed: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The context of a missed deadline, as the scheduler hands it to the triggerer."""
    usual = {"dag_run_id": f"{kind}__{MORNING.isoformat()}", "run_type": kind, "conf": typed or {}}
    moments = {"logical_date": "2026-01-11T02:00:00Z", "run_after": "2026-01-11T02:00:00Z"}
    return {"dag_run": {**usual, **moments, **fields}, "deadline": {"id": "7", "deadline_time": MORNING}}


@pytest.fixture
def told(webhook: Webhook, make_settings: Callable[..., Any], lake: Store, monkeypatch: Any) -> list[str]:
    """What the webhook is told by a command that is started; the night failed at validate."""
    monkeypatch.setenv("NIGHTJAR_LAKE", lake.uri)
    monkeypatch.setenv("NIGHTJAR_NOTIFY__WEBHOOK", webhook.url)
    monkeypatch.setenv("NIGHTJAR_AIRFLOW__DEADLINE", "06:00")
    write_records(lake, "validate", validate={"status": "refused", "reason": "too many rows"})
    return webhook.texts


@pytest.mark.parametrize("context", [as_object, as_json])
def test_a_runs_night_is_the_one_typed_or_the_last_whole_day(context: Callable[..., Any]) -> None:
    run = run_of(context())
    assert (run.id, run.type, run.night) == (SCHEDULED, "scheduled", NIGHT)
    assert run_of(context(typed={"run_date": None})).night == NIGHT
    assert run_of(context(typed={"run_date": "2018-09-24"})).night == date(2018, 9, 24)
    assert run_of(context(typed={"run_date": "2026-02-30"})).night == NIGHT
    assert run_of(context("manual", logical_date=None)).night == NIGHT


def test_a_run_of_which_only_the_id_is_known_is_read_from_it() -> None:
    for name in (SCHEDULED, "scheduled__2026-01-11T02:00:00+00:00_x1Y2", "scheduled__2026-01-11T02:00:00Z"):
        run = run_of({"run_id": name, "reason": "all_tasks_deadlocked"})
        assert (run.id, run.type, run.night) == (name, "scheduled", NIGHT)


def test_a_night_is_that_of_utc() -> None:
    eastern = "2026-01-10T21:00:00-05:00"
    assert run_of(as_json(logical_date=eastern)).night == NIGHT


def test_a_failure_is_told_with_its_reason(told: list[str]) -> None:
    on_failure(as_object())
    assert told == [
        f"Nightjar: night {NIGHT} failed\nvalidate refused: too many rows\nnothing is published yet\n"
        f"Airflow: {SCHEDULED} failed (task_failure)"
    ]


def test_a_failure_of_another_dag_is_told_by_its_name_and_not_as_a_nights(told: list[str]) -> None:
    on_other_failure({**as_object(), "dag": SimpleNamespace(dag_id="retention")})
    assert told == [
        "Nightjar: retention failed\nthe log of its task says why, and what to do\n"
        f"Airflow: {SCHEDULED} failed (task_failure)"
    ]


def test_a_missed_deadline_is_told(told: list[str]) -> None:
    asyncio.run(on_missed_deadline(as_json()))
    assert told == [
        f"Nightjar: night {NIGHT} is not live at 06:00 UTC\nso far: validate refused: too many rows\n"
        f"nothing is published yet\nAirflow: {SCHEDULED}"
    ]


def test_of_a_backfill_nobody_is_told(told: list[str]) -> None:
    on_failure(as_object("backfill"))
    asyncio.run(on_missed_deadline(as_json("backfill")))
    assert told == []


def test_a_run_by_hand_has_no_deadline_and_yet_may_fail(told: list[str]) -> None:
    assert "manual run" in asyncio.run(on_missed_deadline(as_json("manual")))
    assert told == []
    on_failure(as_object("manual"))
    assert len(told) == 1


def test_a_channel_that_fails_is_in_airflows_log_without_its_secret(
    told: list[str], webhook: Webhook
) -> None:
    webhook.answers = [(403, "invalid_token")]
    with pytest.raises(RuntimeError, match="webhook: not sent: HTTP 403 Forbidden") as caught:
        asyncio.run(on_missed_deadline(as_json()))
    assert "hush" not in str(caught.value)


def test_without_a_channel_a_callback_does_nothing(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIGHTJAR_NOTIFY__WEBHOOK")
    on_failure(as_object())
    assert "nobody is to be told" in asyncio.run(on_missed_deadline(as_json()))
    assert told == []
