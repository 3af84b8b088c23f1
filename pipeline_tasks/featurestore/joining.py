"""Features as known at a moment: examples in; the same examples, in the same order, with features out."""

from collections.abc import Iterator

import pyarrow as pa
from feast import FeatureStore

from pipeline_tasks.contracts import FEATURE_VIEWS, ColumnType
from pipeline_tasks.errors import NightjarError
from pipeline_tasks.featurestore.definitions import STAMP, entity_key, feature_names

ROWS_AT_A_TIME = 200_000
ROW = "example_row"
# models read single precision
ARROW: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "float": pa.float32(),
    "boolean": pa.bool_(),
    "vector": pa.list_(pa.float32()),
}


def feature_fields() -> list[pa.Field]:
    """Return the fields that a join adds, called <view>__<feature>."""
    return [
        pa.field(f"{view.name}__{name}", ARROW[view.column(name).type])
        for view in FEATURE_VIEWS.values()
        for name in feature_names(view)
    ]


def join_features(store: FeatureStore, service: str, examples: pa.Table) -> Iterator[pa.RecordBatch]:
    """Yield the examples with each view's newest features that are not later than `event_timestamp`.

    `examples` has every view's key, and event_timestamp in microseconds; nulls where there are no features.
    Raises NightjarError unless as many rows come out as went in.
    """
    for start in range(0, examples.num_rows, ROWS_AT_A_TIME):
        yield _join(store, service, examples.slice(start, ROWS_AT_A_TIME))


def _join(store: FeatureStore, service: str, examples: pa.Table) -> pa.RecordBatch:
    rows = pa.array(range(examples.num_rows), pa.int64())
    keys = [entity_key(view) for view in FEATURE_VIEWS.values()]
    asked = examples.select([*keys, STAMP]).append_column(ROW, rows)
    job = store.get_historical_features(
        entity_df=asked.to_pandas(), features=store.get_feature_service(service), full_feature_names=True
    )
    found = job.to_arrow().sort_by(ROW)
    if not found[ROW].combine_chunks().cast(pa.int64()).equals(rows):
        raise NightjarError(
            f"the join with features gave {found.num_rows:,} rows for {examples.num_rows:,} examples",
            "the feature store must keep every example once",
        )
    for field in feature_fields():
        examples = examples.append_column(field, found[field.name].cast(field.type))
    return examples.combine_chunks().to_batches()[0]
