"""What people do to what is live: a held version released, or an earlier one made live again; an entry of the log out."""

from collections.abc import Callable, Iterator
from datetime import date

from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import following, log, versions, withdrawals
from pipeline_tasks.publishing.log import Action, Change, Entry
from pipeline_tasks.publishing.verdicts import Verdict
from pipeline_tasks.publishing.who import is_one_run


def untold(store: Store, action: Action, version: str | None, who: str) -> Entry | None:
    """Return the live entry where an attempt that died made it and could not say so, else None.

    It is not copied to current.json yet (it is now), or it is of the same Airflow run, however often its task is tried.
    Where no version is named it was no attempt of anybody else.
    """
    unfinished, live = log.finish(store), log.newest(store)
    if live is None or live.action != action or version not in (None, live.version):
        return None
    own = live.who == who
    return live if (live == unfinished and (version or own)) or (own and is_one_run(who)) else None


def already_made(store: Store, action: Action, version: str | None, who: str) -> Entry | None:
    """Return what `untold` does; an Airflow run makes a version live once.

    Raises NothingToDo where what somebody else did went live after that run's change.
    """
    made, live = untold(store, action, version, who), log.newest(store)
    if made or live is None or live.who == who or not is_one_run(who):
        return made
    for entry in log.backwards(store):
        if (entry.action, entry.who) == (action, who) and version in (None, entry.version):
            raise NothingToDo(
                f"unchanged: this run made {entry.version} live in entry {entry.sequence}; "
                f"{live.version} went live after it"
            )
    return None


def nothing_more() -> None:
    """Require nothing."""


def roll_back(
    store: Store, to: str | None, who: str, why: str, require: Callable[[], None] = nothing_more
) -> Entry:
    """Make an earlier version live again, by default the one before the live one; return its entry.

    Its files are read first. Who tries again after dying between the entry and its copy goes back once. Raises Refused
    where there is none, or where it is not what it was, and what `require` raises where this process may not change what
    is live any more.
    """
    done = already_made(store, "rollback", to, who)
    if done:
        return done
    live = log.newest(store)
    if live is None:
        raise Refused(f"nothing is published in {store.uri}", "there is nothing to go back to")
    target = _named(store, live, to) if to else predecessor(store, live)
    versions.verify(store, target.version, target.manifest_sha256)

    def allowed(now: Entry | None) -> None:
        if now != live:
            raise Refused(
                f"{now.version if now else 'nothing'} went live meanwhile", "see `versions`, and say it again"
            )

    change = Change(target.version, target.run_date, target.manifest_sha256, "rollback", who, why)
    return log.append(store, change, following.both(require, allowed))


def _named(store: Store, live: Entry, to: str) -> Entry:
    """Return the newest entry of the version called `to`."""
    if to == live.version:
        raise NothingToDo(f"unchanged: version {to} is live since entry {live.sequence}")
    found = log.newest_of(store, to)
    if found is None:
        raise Refused(
            f"version {to!r} was never live in {store.uri}", "see `versions`; release one that is held"
        )
    return found


def predecessor(store: Store, live: Entry) -> Entry:
    """Return the entry of the version that a rollback goes back to; raises Refused where there is none."""
    for entry in earlier(store, live):
        return entry
    raise Refused(f"no version was live before {live.version}", "name one: rollback --to VERSION")


def earlier(store: Store, live: Entry) -> Iterator[Entry]:
    """Yield what made other versions than the live one live, newest first, but not those that somebody went back from.

    A rollback is no place in that order: what it went to has its own.
    """
    history = log.history(store)
    left = {live.version, *withdrawals.gone_back_from(history)}
    for entry in reversed(history):
        if entry.action != "rollback" and entry.version not in left:
            yield entry


def release(
    store: Store,
    run_date: date,
    verdict: Verdict,
    who: str,
    why: str,
    require: Callable[[], None] = nothing_more,
    first: Callable[[], object] = nothing_more,
) -> Entry:
    """Make a version live that keeps its contract and was held, or was not to be published; return its entry.

    `first` is done before, once nothing speaks against it. Raises NothingToDo where it is live, or where a newer night
    is, Refused where its files have changed, and what `require` raises, as in `roll_back`.
    """
    done = already_made(store, "release", verdict.version, who)
    if done:
        return done
    allowed = following.not_backwards(store, verdict.version, run_date)
    allowed(log.newest(store))
    versions.verify(store, verdict.version, verdict.manifest_sha256)
    first()
    despite = f", although {'; '.join(verdict.held_by)}" if verdict.held_by else ""
    change = Change(
        verdict.version, str(run_date), verdict.manifest_sha256, "release", who, f"{why}{despite}"
    )
    return log.append(store, change, following.both(require, allowed))
