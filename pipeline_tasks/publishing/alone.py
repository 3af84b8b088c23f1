"""Settings and what is to be done in; nobody else changes what is live, or removes versions, meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline_tasks.lake.lease import hold
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.publishing.who import who
from pipeline_tasks.settings import Settings


@contextmanager
def alone_with_versions(settings: Settings, what: str) -> Iterator[Callable[[], None]]:
    """Hold the lease "versions" meanwhile, and give what to call before a change: it raises where the lease was lost.

    Raises NightjarError where another writer does not give it back in time. A stage that trains for hours holds the
    lease "nights" alone: a rollback does not wait for it.
    """
    with hold(open_store(settings.lake_uri), "versions", settings.lease, f"{what} by {who()}") as lease:
        yield lease.require
