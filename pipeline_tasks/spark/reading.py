"""The source's files as Spark frames: a declared table and its checked layouts in, typed rows out."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, reduce
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipeline_tasks.errors import Refused
from pipeline_tasks.sources import Declared, Layout, fetch
from pipeline_tasks.sources.typed import LINE, Typing, type_batches, type_lines, typing_of
from pipeline_tasks.spark.schemas import parquet_type, typed_schema

# in a message
MOST_OF_A_CAUSE = 200
PLAIN_PATH = re.compile(r"[A-Za-z0-9/.@+_-]+")


def typed_table(
    spark: SparkSession, declared: Declared, layouts: list[Layout], paths: Mapping[str, str]
) -> DataFrame:
    """Return every row of the table, typed by its contract, with `row`, `reason` and `reasons`.

    `paths` gives for each URI of the layouts what Spark reads (see `spark_paths`).
    """
    read = {"csv": _csv_rows, "jsonl": _json_rows, "parquet": _parquet_rows}[declared.table.format]
    parts = [read(spark, declared, layout, [paths[uri] for uri in layout.files]) for layout in layouts]
    return reduce(DataFrame.unionByName, parts)


def spark_paths(declared: Declared, uris: list[str], scratch: Path, *, cluster: bool) -> dict[str, str]:
    """Return for each of the table's files the path by which Spark reads it.

    A cluster reads s3a:// and shared paths itself; local Spark gets copies of what lies on S3, and links to
    files whose names it would take for globs or hidden files.
    """
    if cluster:
        return {uri: uri.replace("s3://", "s3a://", 1) for uri in uris}
    folder = scratch / "source" / declared.contract.name
    return {
        uri: str(_plain(number, path, folder))
        for number, (uri, path) in enumerate(zip(uris, fetch(uris, folder), strict=True))
    }


def _csv_rows(spark: SparkSession, declared: Declared, layout: Layout, paths: list[str]) -> DataFrame:
    table, typing = declared.table, typing_of(declared, layout)
    rows = spark.read.csv(
        paths,
        schema=T.StructType([T.StructField(field, T.StringType()) for field in [*typing.names, LINE]]),
        sep=table.delimiter,
        header=table.header,
        quote='"',
        escape='"',
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=LINE,
        # texts of items and users may hold line breaks; a file of events is one event a line, and is split
        multiLine=declared.contract.kind == "snapshot",
    )
    return _typed(rows, type_batches, typing)


def _json_rows(spark: SparkSession, declared: Declared, layout: Layout, paths: list[str]) -> DataFrame:
    return _typed(spark.read.text(paths), type_lines, typing_of(declared, layout))


def _parquet_rows(spark: SparkSession, declared: Declared, layout: Layout, paths: list[str]) -> DataFrame:
    # what pandas writes; Spark has no such type and reads whole numbers
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    # it looks at no column that is not mapped, of which it may not know the type
    asked = T.StructType([T.StructField(each.name, parquet_type(each.type)) for each in layout.types])
    cells = [_cell(each).alias(each.name) for each in layout.types]
    rows = spark.read.schema(asked).parquet(*paths).select(*cells)
    return _typed(rows, type_batches, typing_of(declared, layout))


def _cell(field: pa.Field) -> Column:
    """Return a Parquet column with bytes as text, and whole nanoseconds as moments."""
    cell = F.col(f"`{field.name}`")
    if isinstance(parquet_type(field.type), T.BinaryType):
        return cell.cast("string")
    if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
        return F.timestamp_micros(F.call_function("div", cell, F.lit(1000)))
    return cell


def _typed(
    rows: DataFrame,
    types: Callable[[Typing, Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]],
    typing: Typing,
) -> DataFrame:
    return rows.mapInArrow(partial(types, typing), typed_schema(typing.contract))


@contextmanager
def reading(declared: Declared) -> Iterator[None]:
    """Turn Spark's complaint about a file that it cannot read into Refused, naming the file and the cause."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        found = re.search(r"FAILED_READ_FILE\S*\].*?file (\S+?)\.?\s", f"{error} ")
        if found is None:
            raise
        uri = _behind_link(found[1]) if found[1].startswith("file:") else found[1]
        causes = re.findall(r"Caused by: (?:[\w.$]+: )?(.*)", str(error))
        why = f": {causes[-1][:MOST_OF_A_CAUSE]}" if causes else ""
        raise Refused(
            f"{uri} cannot be read to its end{why}",
            "it may be damaged, or packed in a way that Spark does not know: write it again",
        ) from error


def _behind_link(uri: str) -> str:
    return str(Path(unquote(uri.removeprefix("file://"))).resolve())


def _plain(number: int, path: Path, folder: Path) -> Path:
    if PLAIN_PATH.fullmatch(str(path)) and not path.name.startswith(("_", ".")):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / f"{number:05d}{path.suffix if path.suffix in ('.gz', '.bz2') else ''}"
    link.symlink_to(path)
    return link
