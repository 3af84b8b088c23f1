"""What serves, may serve again, or is compared with: the log, verdicts and decisions in; why by piece out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Missing
from pipeline_tasks.publishing import changes, log, versions, waiting
from pipeline_tasks.publishing.log import Entry
from pipeline_tasks.retention.holdings import Piece
from pipeline_tasks.retention.needs import Need, Reads, ranker_days
from pipeline_tasks.settings import night_end

CHAMPIONS = "models/champions"
COMPARED = "the check of night"


@dataclass(frozen=True)
class Serving:
    """Each method yields what must stay, and why; all of them look at the same moment of the lake."""

    reads: Reads

    def of_versions(self) -> Iterator[Need]:
        """Yield versions that are live, may be live, or that a later check compares with; and their verdicts."""
        for name, why in self._versions:
            yield from self._named(layout.version(name), why)
            yield from self._named(layout.verdict(date.fromisoformat(name[:10])), why)

    def of_releases(self) -> Iterator[Need]:
        """Yield what releasing a version that waits reads: the lists that it was made of, and the items known then."""
        for name in self._waiting:
            night, why = date.fromisoformat(name[:10]), f"a release of {name}, which waits, reads it"
            for table in ("training/items", *sorted(self.reads.holdings.tables("staged"))):
                yield from self._named(layout.night(table, night), why)

    def of_models(self) -> Iterator[Need]:
        """Yield the models of what serves or may, and the decisions that later nights look up, with their models."""
        for name, why in self._versions:
            store = self.reads.holdings.store
            if not why.startswith(COMPARED) and versions.is_whole(store, name):
                model = versions.read_manifest(store, name)["model"]["version"]
                yield from self._named(layout.model(model), f"{name}: {why}")
        for night, model, why in self._decisions():
            yield from self._named(layout.champion(night), why)
            yield from self._named(layout.model(model), why)

    @cached_property
    def _history(self) -> list[Entry]:
        """The log's entries, newest first."""
        return list(log.backwards(self.reads.holdings.store))

    @cached_property
    def _waiting(self) -> list[str]:
        """The versions that wait to be released, and may be."""
        live = self._history[0] if self._history else None
        return [each.name for each in waiting.in_wait(self.reads.holdings.store, live)]

    @cached_property
    def _versions(self) -> list[tuple[str, str]]:
        """The versions that must stay, the most important first, and why."""
        found = []
        if self._history:
            live = self._history[0]
            found.append((live.version, "it is live"))
            try:
                before = changes.predecessor(self.reads.holdings.store, live)
                found.append((before.version, "a rollback goes back to it"))
            except Refused:
                pass  # the first version has none
        found += [(name, "it waits to be released") for name in self._waiting]
        return [*found, *self._compared()]

    def _compared(self) -> Iterator[tuple[str, str]]:
        """Yield what the check of each night from the floor on finds as the newest entry of a night before it."""
        night, newest = self.reads.floor, self.reads.holdings.nights[-1]
        while night <= newest + timedelta(days=1):
            entry = next((each for each in self._history if each.run_date < str(night)), None)
            if entry:
                yield entry.version, f"{COMPARED} {night} compares with it"
            night += timedelta(days=1)

    def _decisions(self) -> Iterator[tuple[date, str, str]]:
        """Yield (night, version of its model, why) of the decisions that a night from the floor on looks up.

        That is the newest before it, which it starts from and is measured against. And to try its examples on, the
        newest of each kind that knows nothing of the examples' days, wherever these begin.
        """
        floor = self.reads.floor
        _, days = ranker_days(self.reads.settings)
        first_example = int((night_end(floor) - timedelta(days=days)).timestamp())
        decided = sorted({each.night for each in self._layer("models") if each.table == CHAMPIONS})
        found: set[str] = set()
        newest = True
        for night in reversed(decided):
            decision = self._read(layout.champion(night))
            version = decision["model_version"]
            if night >= floor:
                yield night, version, "later nights go on from who served then"
                continue
            if newest:
                yield night, version, f"night {floor} goes on from who served before it"
                newest = False
            told = None if decision.get("role") == "baseline" else self._config(version)
            if told and told["name"] not in found:
                yield (
                    night,
                    version,
                    f"a ranker's examples are put to a {told['name']} that had not seen them",
                )
                if told["cut"] <= first_example:
                    found.add(told["name"])

    def _config(self, model: str) -> dict[str, Any] | None:
        """Return what a model is; None where it has gone, or cannot be read, which later nights do without."""
        try:
            return self._read(f"{layout.model(model)}/{layout.MODEL_CONFIG}")
        except Refused:
            return None

    def _layer(self, name: str) -> list[Piece]:
        return self.reads.holdings.layers[name]

    def _named(self, name: str, why: str) -> Iterator[Need]:
        piece = self.reads.holdings.named.get(name)
        if piece:
            yield piece, why

    def _read(self, key: str) -> dict[str, Any]:
        """Return a JSON object; raises Refused for one that is damaged, since what it names cannot be known."""
        store = self.reads.holdings.store
        try:
            content: dict[str, Any] = json.loads(store.read(key))
        except (ValueError, Missing) as error:
            raise Refused(f"{store.uri}/{key} cannot be read: {error}", "mend or remove it first") from error
        return content
