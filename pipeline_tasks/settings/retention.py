"""The settings of retention: how much of each layer of the lake stays."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline_tasks.settings.schedule import Schedule
from pipeline_tasks.settings.source import Section, filled_up

# nights of each layer that stay, where nobody has set another number
NIGHTS = {
    "raw": 14,
    "quarantine": 28,
    "clean": 14,
    "features": 14,
    "training": 7,
    "models": 28,
    "staged": 7,
    "versions": 14,
    "runs": 365,
    "reports": 90,
}


class RetentionSettings(Section):
    nights: Annotated[dict[str, int], filled_up(NIGHTS)] = NIGHTS
    """Newest nights of each layer to keep; layers that are not named keep these defaults. A night whose raw arrivals stay
    can be run again, and keeps all but its records and reports, whatever the other numbers say."""
    bytes: dict[str, int] = {}
    """Bytes that a layer may have: beyond it older nights go too, as far as nothing needs them. Nights that can be run
    again are needed: a number for raw makes them fewer."""
    schedule: Schedule = "0 12 * * 0"
    """When the retention DAG starts (cron, UTC)."""
    apply: bool = False
    """Whether the DAG's runs remove, or only say what they would."""

    @model_validator(mode="after")
    def _layers_are_layers(self) -> Self:
        for key, given, least in (("nights", self.nights, 1), ("bytes", self.bytes, 0)):
            for name, value in given.items():
                if name not in NIGHTS:
                    raise ValueError(f"{key}: {name!r} is no layer; there are {', '.join(NIGHTS)}")
                if value < least:
                    raise ValueError(f"{key}.{name}: {value} is less than {least}")
        return self


class LeaseSettings(Section):
    wait_seconds: float = Field(21_600.0, gt=0)
    """How long a stage, or retention, waits for another writer of nights before it fails, to be tried again: longer than
    a training or a backfill's night may take. One that has died is waited for no longer than expires_seconds."""
    versions_wait_seconds: float = Field(600.0, gt=0)
    """How long publish, a release, a rollback or retention waits for another change of what is live before it fails."""
    expires_seconds: float = Field(60.0, gt=0)
    """A writer that has given no sign for so long is dead, and the next one takes its place."""

    @model_validator(mode="after")
    def _who_waits_sees_the_dead(self) -> Self:
        for key, value in (
            ("wait_seconds", self.wait_seconds),
            ("versions_wait_seconds", self.versions_wait_seconds),
        ):
            if value <= self.expires_seconds:
                raise ValueError(
                    f"{key}: {value:g} is not more than expires_seconds ({self.expires_seconds:g}): "
                    "nobody would wait until a dead writer is known as one"
                )
        return self

    def wait_for(self, name: str) -> float:
        """Return for how many seconds to wait for the lease `name`."""
        return self.versions_wait_seconds if name == "versions" else self.wait_seconds
