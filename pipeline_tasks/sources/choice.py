"""Which source a night reads: settings in, the declared source that is there out; a lake keeps to one."""

import json
from dataclasses import dataclass

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import AlreadyExists, Missing, Store
from pipeline_tasks.settings import Settings, Source, SourceTable
from pipeline_tasks.sources.files import absolute, files

TABLES = ("interactions", "items", "users")


@dataclass(frozen=True)
class ChosenSource:
    """A declared source whose interactions were found: URIs are absolute, absent optional tables are None."""

    name: str
    source: Source

    def table(self, name: str) -> SourceTable | None:
        """Return the declaration of "interactions", "items" or "users"; None where it is derived."""
        found: SourceTable | None = getattr(self.source, name)
        return found


def choose(settings: Settings) -> ChosenSource:
    """Return the source that `settings.source` names, or the first declared one whose interactions are there.

    Raises Refused, saying what was looked for.
    """
    if settings.source != "auto" and settings.source not in settings.sources:
        raise Refused(
            f"source: {settings.source!r} is not declared", f"allowed: auto, {', '.join(settings.sources)}"
        )
    names = list(settings.sources) if settings.source == "auto" else [settings.source]
    looked_for = []
    for name in names:
        source = _absolute(settings.sources[name], settings.data_root)
        if files(source.interactions):
            return ChosenSource(name, _without_absent(name, source))
        looked_for.append(f"{source.interactions.uri} (source {name})")
    raise Refused(
        f"no interactions found: there is no {' and no '.join(looked_for) or 'declared source'}",
        "set data (NIGHTJAR_DATA) to the folder that holds them, or declare a source in nightjar.toml",
    )


def identity(settings: Settings, chosen: ChosenSource) -> str:
    """Return what a lake remembers of the source: its declared identity, or where its interactions lie."""
    return settings.sources[chosen.name].identity or chosen.source.interactions.uri


def claim_lake(store: Store, identity: str) -> None:
    """Let the lake belong to the source from now on; raises Refused where it belongs to another."""
    owner = owner_of(store)
    if owner is None:
        content = json.dumps({"source": identity}, ensure_ascii=False, indent=1).encode()
        try:
            store.create(layout.IDENTITY, content)
        except AlreadyExists:
            owner = owner_of(store)
    check_owner(store, owner, identity)


def check_owner(store: Store, owner: str | None, identity: str) -> None:
    """Raise Refused where the lake belongs to another source than `identity`."""
    if owner not in (None, identity):
        raise Refused(
            f"the lake {store.uri} belongs to the source {owner}, not to {identity}",
            "name another lake (NIGHTJAR_LAKE), or give both the same sources.<name>.identity",
        )


def owner_of(store: Store) -> str | None:
    """Return the identity of the source that the lake belongs to, None for a new lake; raises Refused for a damaged one."""
    try:
        owner: str = json.loads(store.read(layout.IDENTITY))["source"]
    except Missing:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise Refused(
            f"{store.uri}/{layout.IDENTITY} is damaged: {error}",
            "put it back from a copy, or remove it: the next ingest writes it, of the source that is then set",
        ) from error
    return owner


def _absolute(source: Source, root: str) -> Source:
    found = {name: getattr(source, name) for name in TABLES}
    moved = {
        name: table.model_copy(update={"uri": absolute(table.uri, root)})
        for name, table in found.items()
        if table
    }
    return source.model_copy(update=moved)


def _without_absent(name: str, source: Source) -> Source:
    absent: dict[str, None] = {}
    for table in ("items", "users"):
        declared: SourceTable | None = getattr(source, table)
        if declared and not files(declared):
            if not declared.optional:
                raise Refused(
                    f"source {name} has no {table}: there is no file at {declared.uri}",
                    f"put it there, or set sources.{name}.{table}.optional = true",
                )
            absent[table] = None
    return source.model_copy(update=absent)
