"""The source's files as Spark frames: a declared table and its checked layouts in, typed rows out."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipeline_tasks.errors import Refused
from pipeline_tasks.sources import Declared, Layout, fetch
from pipeline_tasks.spark.parsing import MALFORMED, ROW, type_rows

_BROKEN = "_broken"  # Spark puts a line here that it cannot take apart
PLAIN_PATH = re.compile(r"[A-Za-z0-9/.@+_-]+")


def typed_table(
    spark: SparkSession, declared: Declared, layouts: list[Layout], paths: Mapping[str, str]
) -> DataFrame:
    """Return every row of the table, typed by its contract, with `row`, `reason` and `reasons`.

    `paths` gives for each URI of the layouts what Spark reads (see `spark_paths`).
    """
    table = declared.table
    read = {"csv": _csv_rows, "jsonl": _json_rows, "parquet": _parquet_rows}[table.format]
    parts = [
        type_rows(
            read(spark, declared, layout, [paths[uri] for uri in layout.files]),
            declared.contract,
            table.list_separator,
            table.null_values,
        )
        for layout in layouts
    ]
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
    table = declared.table
    places = {name: f"c{n}" for n, name in enumerate(layout.columns)}
    fields = [*places.values(), _BROKEN]
    rows = spark.read.csv(
        paths,
        schema=T.StructType([T.StructField(field, T.StringType()) for field in fields]),
        sep=table.delimiter,
        header=table.header,
        quote='"',
        escape='"',
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=_BROKEN,
        # texts of items and users may hold line breaks; a file of events is one event a line, and is split
        multiLine=declared.contract.kind == "snapshot",
    )
    whole = F.to_json(F.struct(*(F.col(place).alias(name or place) for name, place in places.items())))
    broken = F.to_json(F.struct(F.col(_BROKEN).alias("line")))
    complaint = f"row: it has not the {len(layout.columns)} fields of the header"
    mapped = {name: F.col(places[source]) for name, source in table.columns.items()}
    return _raw(rows, mapped, whole, broken, complaint)


def _json_rows(spark: SparkSession, declared: Declared, layout: Layout, paths: list[str]) -> DataFrame:
    names = dict.fromkeys(declared.table.columns.values())
    shape = T.StructType([T.StructField(name, T.StringType()) for name in [*names, _BROKEN]])
    lines = spark.read.text(paths).select(F.ltrim("value", F.lit("\ufeff")).alias("value"))
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _BROKEN}
    parsed = lines.filter(F.trim("value") != "").withColumn("json", F.from_json("value", shape, options))
    rows = parsed.select("value", "json", F.col("json").getField(_BROKEN).alias(_BROKEN))
    mapped = {name: F.col("json").getField(source) for name, source in declared.table.columns.items()}
    broken = F.to_json(F.struct(F.col("value").alias("line")))
    return _raw(rows, mapped, F.col("value"), broken, "row: it is no JSON object")


def _parquet_rows(spark: SparkSession, declared: Declared, layout: Layout, paths: list[str]) -> DataFrame:
    # what pandas writes; Spark has no such type and takes it for a Unix time
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    rows = spark.read.parquet(*paths)
    mapped = {name: F.col(f"`{source}`") for name, source in declared.table.columns.items()}
    names = dict.fromkeys(declared.table.columns.values())
    whole = F.to_json(F.struct(*(F.col(f"`{name}`") for name in names)))
    return _raw(rows.withColumn(_BROKEN, F.lit(None).cast("string")), mapped, whole, whole, "")


def _raw(
    rows: DataFrame, mapped: Mapping[str, Column], whole: Column, broken: Column, complaint: str
) -> DataFrame:
    """Return the mapped columns with `row` and `malformed`; a row that fell apart has no other columns."""
    fell_apart = F.col(_BROKEN).isNotNull()
    return rows.select(
        *(F.when(~fell_apart, column).alias(name) for name, column in mapped.items()),
        F.when(fell_apart, broken).otherwise(whole).alias(ROW),
        F.when(fell_apart, F.lit(complaint)).alias(MALFORMED),
    )


@contextmanager
def reading(declared: Declared) -> Iterator[None]:
    """Turn Spark's complaint about a file that it cannot read into Refused, naming the file."""
    try:
        yield
    except PySparkException as error:
        found = re.search(r"FAILED_READ_FILE\S*\].*?file (\S+?)\.? ", f"{error} ")
        if found is None:
            raise
        raise Refused(f"{found[1]} cannot be read to its end", "it may be damaged: write it again") from error


def _plain(number: int, path: Path, folder: Path) -> Path:
    if PLAIN_PATH.fullmatch(str(path)) and not path.name.startswith(("_", ".")):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / f"{number:05d}{path.suffix if path.suffix in ('.gz', '.bz2') else ''}"
    link.symlink_to(path)
    return link
