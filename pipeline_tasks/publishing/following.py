"""What may follow what is live: rules for `log.append`, each of which raises where a change may not."""

from collections.abc import Callable
from datetime import date

from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import withdrawals
from pipeline_tasks.publishing.log import Entry, Rule


def both(require: Callable[[], None], allowed: Rule) -> Rule:
    """Return the rule of who may append only while `require` does not raise: who holds a lease, as a rule."""

    def still(live: Entry | None) -> None:
        allowed(live)
        require()

    return still


def not_again(store: Store, version: str, run_date: date) -> Rule:
    """Return the rule of who forces a version: it may be an older night's, but not what is live already."""

    def allowed(live: Entry | None) -> None:
        if live and live.version == version:
            raise NothingToDo(f"unchanged: version {version} is live since entry {live.sequence}")

    return allowed


def not_backwards(store: Store, version: str, run_date: date) -> Rule:
    """Return the rule of a nightly publication: not what is live, nor a night before it, nor what was rolled back."""

    def allowed(live: Entry | None) -> None:
        not_again(store, version, run_date)(live)
        if live and date.fromisoformat(live.run_date) > run_date:
            raise NothingToDo(f"the newer night {live.run_date} is live, and a night never goes back")
        taken = withdrawals.withdrawn(store, version) if live else None
        if taken:
            raise Refused(
                f"version {version} was rolled back by {taken.who} in entry {taken.sequence}: {taken.why}",
                "mend the cause and run the night again, or say publish.mode = force, and publish.why",
            )

    return allowed
