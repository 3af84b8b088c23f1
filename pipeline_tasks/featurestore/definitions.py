"""Feast's objects made from the contracts: a contract in, its entity, its source and its view out."""

import os
from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureView, Field, FileSource, PushSource
from feast.types import Array, Bool, FeastType, Float32, Float64, Int64, String, UnixTimestamp

from pipeline_tasks.contracts import ColumnType, Contract

STATE_VARIABLE = "FEAST_STATE_DIR"
STAMP = "event_timestamp"
# A snapshot serves the day that begins at its stamp, and one more if a night was missed. A join then looks at
# three stamps instead of all; reading online, Feast does not apply it, so that nights of years ago are read alike.
TIME_TO_LIVE = timedelta(days=2)
TYPES: dict[ColumnType, FeastType] = {
    "string": String,
    "integer": Int64,
    "float": Float64,
    "boolean": Bool,
    "timestamp": UnixTimestamp,
    "strings": Array(String),
    "vector": Array(Float32),
}


def entity_key(contract: Contract) -> str:
    """Return the one key column besides the stamp: what the features are of."""
    (key,) = (name for name in contract.key if name != STAMP)
    return key


def feature_names(contract: Contract) -> list[str]:
    """Return the columns that are features: neither the key nor the stamp."""
    return [name for name in contract.names if name not in contract.key]


def entity(contract: Contract, join_key: str = "") -> Entity:
    """Return the entity that a view of this contract is keyed by, or of several the one of `join_key`."""
    key = contract.column(join_key or entity_key(contract))
    return Entity(
        name=key.name.removesuffix("_id"),
        join_keys=[key.name],
        value_type=TYPES[key.type].to_value_type(),
        description=key.doc,
    )


def source(contract: Contract) -> FileSource:
    """Return the copies of the contract's snapshots, under the folder that FEAST_STATE_DIR names."""
    copies = Path(os.environ[STATE_VARIABLE]) / "features" / contract.name
    return FileSource(name=contract.name, path=f"{copies}/*/*.parquet", timestamp_field=STAMP)


def feature_view(contract: Contract, of: Entity) -> FeatureView:
    """Return the view of the contract's features, keyed by the entity `of`."""
    return FeatureView(
        name=contract.name,
        entities=[of],
        schema=_fields(contract),
        source=source(contract),
        ttl=TIME_TO_LIVE,
        online=True,
        description=contract.grain,
    )


def pushed_view(contract: Contract, of: list[Entity]) -> FeatureView:
    """Return the view of what is pushed online, keyed by the entities `of`.

    Feast wants files behind every push source, to materialize from: here there are none, and nobody does.
    """
    return FeatureView(
        name=contract.name,
        entities=of,
        schema=_fields(contract),
        source=PushSource(name=f"{contract.name}_pushed", batch_source=source(contract)),
        online=True,
        description=contract.grain,
    )


def _fields(contract: Contract) -> list[Field]:
    return [
        Field(name=column.name, dtype=TYPES[column.type], description=column.doc)
        for column in contract.columns
        if column.name != STAMP
    ]
