"""A reader that polls all the while: every version that it gets must be whole, verified, and of one night."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Missing, StoreError, open_store
from pipeline_tasks.publishing import versions
from pipeline_tasks.reader import Version, open_current
from tests.faults.lakes import first_item


@dataclass
class Seen:
    """What a reader met: whole versions, errors that the store's failure was said by, and what must not be."""

    reads: int = 0
    said: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Poller:
    """Reads a lake again and again, by the product's reader and by current.json in turn.

    `first` is the item that begins every list of a night's version.
    """

    uri: str
    first: Callable[[date], str] = first_item
    seen: Seen = field(default_factory=Seen)
    newest: int = 0

    def poll(self) -> None:
        """Look once in each way."""
        for look in (self._by_the_log, self._by_the_copy):
            try:
                self.seen.wrong += look()
                self.seen.reads += 1
            except Missing as error:
                self.seen.wrong.append(f"a reader found something missing: {error}")
            except StoreError:
                self.seen.said += 1
            except NightjarError as error:
                self.seen.wrong.append(f"a reader was refused: {error}")
            except Exception as error:
                self.seen.wrong.append(f"a reader got a {type(error).__name__}: {error}")

    def _by_the_log(self) -> Iterator[str]:
        version = open_current(self.uri)
        if version.entry and version.entry.sequence < self.newest:
            yield f"entry {version.entry.sequence} was live after entry {self.newest}"
        self.newest = version.entry.sequence if version.entry else 0
        yield from faults_of(version, self.first)

    def _by_the_copy(self) -> Iterator[str]:
        """Read as those do who know no log: the copy may be behind, and is always of an entry."""
        store = open_store(self.uri)
        copy = store.read(layout.CURRENT)
        told = json.loads(copy)
        if copy != store.read(layout.log_entry(told["sequence"])):
            yield f"current.json is not entry {told['sequence']}"
        versions.verify(store, told["version"], told["manifest_sha256"])


def faults_of(version: Version, first: Callable[[date], str]) -> Iterator[str]:
    """Yield what is not whole or not of one night in a version that the reader gave: it looks at each SHA-256."""
    for table, described in version.manifest["tables"].items():
        rows = version.to_arrow(table).num_rows
        if rows != described["rows"]:
            yield f"{table} of {version.name} has {rows} rows, not {described['rows']}"
    found = version.top_n("ann")
    expected = first(date.fromisoformat(version.name[:10]))
    if not found or found[0]["item_id"] != expected:
        yield f"{version.name} has another night's lists: {found}"
