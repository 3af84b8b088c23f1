"""Contract types in Spark: columns as a source writes them in, typed columns and what could not be typed out.

Nothing here fails on a value: what cannot be made into its type is null, and `type_rows` says so.
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipeline_tasks.contracts import Column as ContractColumn
from pipeline_tasks.contracts import ColumnType, Contract

SPARK_TYPES: dict[ColumnType, T.DataType] = {
    "string": T.StringType(),
    "integer": T.LongType(),
    "float": T.DoubleType(),
    "boolean": T.BooleanType(),
    "timestamp": T.TimestampType(),
    "strings": T.ArrayType(T.StringType()),
    "vector": T.ArrayType(T.FloatType()),
}
NOUNS: dict[ColumnType, str] = {
    "string": "text",
    "integer": "whole number",
    "float": "number",
    "boolean": "boolean",
    "timestamp": "timestamp",
    "strings": "list",
}
TRUE, FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")

# columns that a raw row has beside those of its contract
ROW = "row"  # the row as the source has it, as JSON
MALFORMED = "malformed"  # why the row has no columns at all, or null
# columns that `type_rows` adds
REASON = "reason"  # what could not be typed, for people, or null
REASONS = "reasons"  # the same as codes

SHOWN_CHARACTERS = 60
WHOLE_NUMBER = r"^[+-]?\d{1,19}$"
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
ISO = (
    r"^(\d{4}-\d{1,2}-\d{1,2})(?:[T ](\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?) ?(Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
)
COMPACT_DATE = r"^(19|20)\d{6}$"
# a Unix time below the first is in seconds, then milliseconds, then microseconds, then nanoseconds
SECONDS_BELOW, MILLISECONDS_BELOW, MICROSECONDS_BELOW = 10**11, 10**14, 10**17


def schema(contract: Contract) -> T.StructType:
    """Return the Spark schema of a contract's typed rows."""
    return T.StructType([T.StructField(each.name, SPARK_TYPES[each.type]) for each in contract.columns])


def type_rows(
    raw: DataFrame, contract: Contract, list_separator: str = "|", null_values: Sequence[str] = ()
) -> DataFrame:
    """Return the contract's columns, typed, with `row`, `reason` and `reasons` (both empty for a good row).

    `raw` has some of the contract's columns, as text or as Parquet has them, and `row` and `malformed`.
    Columns that it lacks are null.
    """
    kinds = {field.name: field.dataType for field in raw.schema}
    given = [each for each in contract.columns if each.name in kinds]
    blank = {
        each.name: _without_blanks(F.col(each.name), kinds[each.name], null_values).alias(each.name)
        for each in given
    }
    texts = raw.select(*blank.values(), ROW, MALFORMED)
    typed = texts.select(
        *(F.struct(F.col(each.name).alias("found"), _typed(each, kinds[each.name], list_separator, null_values)
                   .alias("made")).alias(each.name) for each in given),
        ROW, MALFORMED,
    )  # fmt: skip
    failed = {each.name: _failed(each.name) for each in given}
    said = [F.when(failed[each.name], _complaint(each)) for each in given]
    codes = [F.when(failed[each.name], F.lit(f"{each.name}_not_{each.type}")) for each in given]
    malformed = F.when(F.col(MALFORMED).isNotNull(), F.lit("malformed_row"))
    reason = F.concat_ws("; ", MALFORMED, *said)
    made = [
        F.col(f"{each.name}.made").alias(each.name)
        if each in given
        else F.lit(None).cast(SPARK_TYPES[each.type]).alias(each.name)
        for each in contract.columns
    ]
    return typed.select(
        *made,
        ROW,
        F.when(reason != "", reason).alias(REASON),
        F.array_compact(F.array(malformed, *codes)).alias(REASONS),
    )


def _failed(name: str) -> Column:
    return F.col(f"{name}.found").isNotNull() & F.col(f"{name}.made").isNull()


def _complaint(column: ContractColumn) -> Column:
    found = F.col(f"{column.name}.found").cast("string")
    shown = F.when(
        F.length(found) > SHOWN_CHARACTERS, F.concat(F.left(found, F.lit(SHOWN_CHARACTERS)), F.lit("…"))
    )
    return F.concat(
        F.lit(f"{column.name}: '"), F.coalesce(shown, found), F.lit(f"' is no {NOUNS[column.type]}")
    )


def _without_blanks(value: Column, kind: T.DataType, null_values: Sequence[str]) -> Column:
    """Return null for a cell that says nothing: blank text, a declared null value, NaN."""
    if isinstance(kind, T.DoubleType | T.FloatType):
        return F.when(~F.isnan(value), value)
    if isinstance(kind, T.BinaryType):
        value, kind = value.cast("string"), T.StringType()
    if isinstance(kind, T.StringType):
        return F.when(~F.trim(value).isin("", *null_values), value)
    return value


def _typed(column: ContractColumn, kind: T.DataType, separator: str, null_values: Sequence[str]) -> Column:
    value = F.col(column.name)
    text = isinstance(kind, T.StringType | T.BinaryType)
    if column.type == "string":
        return value if text else _as_text(value, kind)
    if column.type == "timestamp":
        return timestamp_of_text(value) if text else _as_timestamp(value, kind)
    if column.type == "strings":
        return _as_list(value, kind, separator, null_values)
    if column.type == "boolean":
        lowered = F.lower(F.trim(value.cast("string")))
        return F.when(lowered.isin(*TRUE), True).when(lowered.isin(*FALSE), False)
    number = number_of_text(value) if text else value.cast("double")
    finite = F.when(F.abs(number) < float("inf"), number)
    if column.type == "float":
        return finite
    exact = whole_of_text(value) if text else (value.try_cast("bigint") if _is_whole(kind) else F.lit(None))
    return F.coalesce(
        exact, F.when((finite == F.floor(finite)) & (F.abs(finite) < 2**53), finite.try_cast("bigint"))
    )


def _is_whole(kind: T.DataType) -> bool:
    return isinstance(kind, T.IntegralType) or (isinstance(kind, T.DecimalType) and kind.scale == 0)


def number_of_text(text: Column) -> Column:
    """Return the number that a text writes (12, -0.5, 1e3) as double, or null."""
    trimmed = F.trim(text)
    return F.when(trimmed.rlike(NUMBER), trimmed).try_cast("double")


def whole_of_text(text: Column) -> Column:
    """Return the whole number that a text writes, without loss of digits, or null."""
    trimmed = F.trim(text)
    return F.when(trimmed.rlike(WHOLE_NUMBER), trimmed).try_cast("bigint")


def timestamp_of_text(text: Column) -> Column:
    """Return the moment that a text names, or null; without a zone it is UTC.

    ISO 8601 dates and times, and Unix times in seconds, milliseconds, microseconds or nanoseconds, told
    apart by their magnitude.
    """
    trimmed = F.upper(F.trim(text))
    day, time, zone = (F.regexp_extract(trimmed, ISO, group) for group in (1, 2, 3))
    full_time = F.when(time.rlike(r"^\d+:\d+$"), F.concat(time, F.lit(":00"))).otherwise(time)
    full_zone = F.regexp_replace(
        F.regexp_replace(zone, r"^(.\d{2})$", "$1:00"), r"^(.\d{2})(\d{2})$", "$1:$2"
    )
    iso = F.when(time == "", day).otherwise(F.concat(day, F.lit("T"), full_time, full_zone))
    unix = F.coalesce(_unix(whole_of_text(trimmed)), _unix(number_of_text(trimmed)))
    return (
        F.when(trimmed.rlike(ISO), iso.try_cast("timestamp"))
        .when(trimmed.rlike(COMPACT_DATE), F.try_to_timestamp(trimmed, F.lit("yyyyMMdd")))
        .otherwise(unix)
    )


def _unix(number: Column) -> Column:
    def below(limit: int) -> Column:
        return (number > -limit) & (number < limit)

    micros = (
        F.when(below(SECONDS_BELOW), F.round(number * 1_000_000))
        .when(below(MILLISECONDS_BELOW), F.round(number * 1_000))
        .when(below(MICROSECONDS_BELOW), F.round(number))
        .when(below(2**63 - 1), F.floor(number / 1_000))
    )
    return F.timestamp_micros(micros.cast("bigint"))


def _as_timestamp(value: Column, kind: T.DataType) -> Column:
    if isinstance(kind, T.DecimalType):
        return _unix(value.cast("double"))
    return _unix(value) if isinstance(kind, T.NumericType) else value.cast("timestamp")


def _as_text(value: Column, kind: T.DataType) -> Column:
    """Return a native value as text; whole floats as whole numbers: ids that met a null were made floats."""
    if isinstance(kind, T.DoubleType | T.FloatType):
        whole = (value == F.floor(value)) & (F.abs(value) < 2**53)
        return F.when(whole, value.try_cast("bigint").cast("string")).otherwise(value.cast("string"))
    return value.cast("string")


def _as_list(value: Column, kind: T.DataType, separator: str, null_values: Sequence[str]) -> Column:
    if isinstance(kind, T.ArrayType):
        parts = value.cast("array<string>")
    else:
        trimmed = F.trim(value)
        parsed = F.when(trimmed.startswith("["), F.from_json(trimmed, "array<string>"))
        parts = F.coalesce(parsed, F.split(value, F.concat(F.lit(r"\Q"), F.lit(separator), F.lit(r"\E"))))
    return F.filter(F.transform(parts, lambda part: F.trim(part)), lambda part: ~part.isin("", *null_values))
