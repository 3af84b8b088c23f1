"""A webhook and a mail server on loopback, and pauses that take no time."""

from collections.abc import Iterator

import pytest

from pipeline_tasks.notifying import channels
from tests.webhook import Webhook, listening


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening() as found:
        yield found


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes any time."""
    made: list[float] = []
    monkeypatch.setattr(channels, "sleep", made.append)
    return made
