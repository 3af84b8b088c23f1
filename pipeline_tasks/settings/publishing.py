"""The settings of the publication: what may go live, and how."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline_tasks.settings.source import Section


class HealthLimits(Section):
    """Above its limit a finding is told; those named in `check.stops` hold the night back."""

    users_lost: float = Field(0.05, ge=0)
    """Share of the live version's users who would have no list any more."""
    short_lists: float = Field(0.05, ge=0)
    """Share of lists with fewer than N places, above the live version's."""
    lists_replaced: float = Field(0.5, ge=0)
    """Share of users whose list has nothing of their live one."""
    items_lost: float = Field(0.5, ge=0)
    """Share by which the lists hold fewer different items than the live ones."""
    concentration: float = Field(0.2, ge=0)
    """Gini's coefficient of the items' places in all lists, above the live version's."""
    score_drift: float = Field(0.25, ge=0)
    """Population stability index of the scores against the live version's, where the same kind of model made both."""
    flat_lists: float = Field(0.1, ge=0)
    """Share of lists in which all scores are equal."""
    newest_item_days: float = Field(30.0, ge=0)
    """Days by which the newest item in the lists is older than the newest that can be had."""
    unavailable: float = Field(0.5, ge=0)
    """Share of the known items that cannot be had."""


class CheckSettings(Section):
    shortfall_budget: float = Field(0.01, ge=0, le=1)
    """Share of users whose list may be shorter than min(N, eligible)."""
    availability_hours: float = Field(0.0, ge=0)
    """A version of an item up to this long after the run date still counts when availability is read anew."""
    limits: HealthLimits = HealthLimits()
    """What is told of lists that are unlike the live ones."""
    stops: tuple[str, ...] = ("users_lost", "short_lists", "lists_replaced", "items_lost", "flat_lists")
    """Limits that hold a night back when they are passed; the others warn."""

    @model_validator(mode="after")
    def _stops_are_limits(self) -> Self:
        unknown = sorted(set(self.stops) - set(HealthLimits.model_fields))
        if unknown:
            raise ValueError(
                f"stops: {unknown[0]!r} is no limit; there are {', '.join(HealthLimits.model_fields)}"
            )
        return self


class PublishSettings(Section):
    mode: Literal["auto", "hold", "force", "off"] = "auto"
    """auto: live if every check holds. hold: ready, for somebody to release. force: live although the health
    checks hold it back, or although a newer night is. off: everything but going live."""
    why: str = ""
    """Why a night is forced; the log keeps it."""
    online: bool = False
    """Put every user's list into Feast's online store before its version goes live."""
