"""Which dates a night takes in: the lake's partitions and a run date in, a plan out."""

from dataclasses import dataclass
from datetime import date, timedelta

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store


@dataclass(frozen=True)
class Night:
    """The arrivals of a night: those dated after `after` (None: all there were) up to `run_date`."""

    run_date: date
    after: date | None

    @property
    def dates(self) -> list[date]:
        """The partitions that the night writes."""
        if self.after is None:
            return [self.run_date]
        return [self.after + timedelta(days=n + 1) for n in range((self.run_date - self.after).days)]


def plan(store: Store, run_date: date) -> Night:
    """Return what the night takes in; partitions that an earlier run of it wrote are written anew.

    Raises Refused for a night before the lake's first.
    """
    found = tables.committed(store, "raw/interactions")
    if not found or run_date == found[0]:
        return Night(run_date, None)
    if run_date < found[0]:
        raise Refused(
            f"run_date {run_date} is before the lake's first night, {found[0]}",
            f"run a night from {found[0]} on, or begin another lake (NIGHTJAR_LAKE)",
        )
    before = [day for day in found if day < run_date]
    while _written_by(store, before[-1]) == str(run_date):
        before.pop()
    return Night(run_date, before[-1])


def _written_by(store: Store, day: date) -> str:
    commit = tables.require_commit(store, layout.raw("interactions", day), "ingest")
    return str(commit.facts["night"])
