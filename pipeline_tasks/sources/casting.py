"""Values as a source writes them in, text or native; values of a contract's type out, null where none is.

Arrow arrays throughout. What is well formed is cast at once; only what is left is looked at value by value.
"""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_tasks.contracts import ColumnType
from pipeline_tasks.sources.texts import in_utf8, is_text, to_lists

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "strings": pa.list_(pa.string()),
    "vector": pa.list_(pa.float32()),
}
TRUE, FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
COMPACT_DATE = r"^(19|20)\d{6}$"
ISO_UTC = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$"
ISO_NO_ZONE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?$"
ISO_ANY = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?) ?([Zz]|UTC|[+-]\d{2}(?::?\d{2})?)?)?"
)
AROUND_NUMBERS, BETWEEN_NUMBERS = "[]\"' \t\n\r", r"[\"'\s]*[,;|\s][\"'\s]*"
# a Unix time below the first is in seconds, then milliseconds, then microseconds, then nanoseconds
SECONDS_BELOW, MILLISECONDS_BELOW, MICROSECONDS_BELOW = 1e11, 1e14, 1e17
NANOSECONDS_BELOW = 2.0**63
EXACT_BELOW = 2.0**53
# 0001-01-01 and the end of 9999-12-31: what Python's datetime can say, and Spark's functions of dates
FIRST_MICROSECOND, LAST_MICROSECOND = -62_135_596_800_000_000, 253_402_300_799_999_999


def without_blanks(values: pa.Array, null_values: Collection[str] = ()) -> pa.Array:
    """Return the values with null for what says nothing: blank text, a declared null value, NaN."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        return pc.if_else(pc.is_nan(values), None, values)
    text = in_utf8(values)
    if not is_text(text.type):
        return text
    blank = pc.is_in(pc.utf8_trim_whitespace(text), value_set=pa.array(["", *null_values], pa.string()))
    return pc.if_else(blank, None, text)


def to_type(
    values: pa.Array, kind: ColumnType, separator: str = "|", null_values: Collection[str] = ()
) -> pa.Array:
    """Return the values as the contract's type, null where that cannot be; blanks are null already."""
    if kind == "strings":
        return to_lists(values, separator, null_values)
    make: dict[ColumnType, Callable[[pa.Array], pa.Array]] = {
        "string": to_text,
        "integer": to_whole_numbers,
        "float": to_numbers,
        "boolean": to_booleans,
        "timestamp": to_timestamps,
        "vector": to_vectors,
    }
    return make[kind](values)


def to_text(values: pa.Array) -> pa.Array:
    """Return text as it is, and other values as text; whole floats (ids that met a null) without fraction."""
    if pa.types.is_floating(values.type):
        texts = [None if v is None else str(int(v)) if v.is_integer() else str(v) for v in values.to_pylist()]
        return pa.array(texts, pa.string())
    return values.cast(pa.string())


def to_numbers(values: pa.Array) -> pa.Array:
    """Return finite numbers as float64: native ones, or text such as 12, -0.5, 1e3."""
    if is_text(values.type):
        text = _only(pc.utf8_trim_whitespace(values), NUMBER)
        numbers = _cast_each(pc.replace_substring_regex(text, r"^\+", ""), pa.float64(), float)
    elif _is_number(values.type):
        numbers = values.cast(pa.float64(), safe=False)
    else:
        return pa.nulls(len(values), pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, None)


def to_whole_numbers(values: pa.Array) -> pa.Array:
    """Return whole numbers as int64; text may have a zero fraction (34.0), and no digit is lost."""
    if pa.types.is_integer(values.type):
        return _cast_each(values, pa.int64(), _in_64_bits)
    numbers = to_numbers(values)
    exact = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), EXACT_BELOW))
    rounded = pc.if_else(exact, numbers, None).cast(pa.int64())
    if not is_text(values.type):
        return rounded
    digits = _only(pc.utf8_trim_whitespace(values), r"^[+-]?\d{1,19}$")
    return pc.coalesce(
        _cast_each(pc.replace_substring_regex(digits, r"^\+", ""), pa.int64(), _in_64_bits), rounded
    )


def to_booleans(values: pa.Array) -> pa.Array:
    """Return true, yes, 1 and their opposites, in any case, as booleans."""
    if pa.types.is_boolean(values.type):
        return values
    text = pc.utf8_lower(pc.utf8_trim_whitespace(to_text(values)))
    true, false = (pc.is_in(text, value_set=pa.array(words)) for words in (TRUE, FALSE))
    return pc.if_else(true, True, pc.if_else(false, False, pa.scalar(None, pa.bool_())))


def to_timestamps(values: pa.Array) -> pa.Array:
    """Return moments in UTC, to the microsecond, of the years 1 to 9999; what names no zone is in UTC.

    Text may be an ISO 8601 date or time, or a Unix time; a number is a Unix time. Unix times are told to be
    seconds, milliseconds, microseconds or nanoseconds by their magnitude.
    """
    moments = _any_timestamps(values)
    micros = moments.cast(pa.int64())
    told = pc.and_(pc.greater_equal(micros, FIRST_MICROSECOND), pc.less_equal(micros, LAST_MICROSECOND))
    return pc.if_else(told, moments, None)


def _any_timestamps(values: pa.Array) -> pa.Array:
    kind = ARROW_TYPES["timestamp"]
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return values.cast(pa.timestamp("us", getattr(values.type, "tz", None)), safe=False).cast(kind)
    if not is_text(values.type):
        return _unix_times(values)
    text = pc.utf8_trim_whitespace(values)
    compact = pc.match_substring_regex(text, COMPACT_DATE)
    utc, no_zone = _only(text, ISO_UTC), _only(text, ISO_NO_ZONE)
    known = pc.coalesce(
        _cast_each(utc, kind, moment),
        _cast_each(no_zone, pa.timestamp("us"), _moment_without_zone).cast(kind),
        _unix_times(pc.if_else(compact, None, text)),
    )
    rest = pc.if_else(pc.is_valid(known), None, text)
    if rest.null_count == len(rest):
        return known
    return pc.coalesce(known, pa.array([moment(each) for each in rest.to_pylist()], kind))


def moment(text: str | None) -> datetime | None:
    """Return the moment of an ISO 8601 text, or None; without a zone it is UTC."""
    if text and re.fullmatch(COMPACT_DATE, text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    found = ISO_ANY.fullmatch(text or "")
    if not found:
        return None
    day, time, zone = found.groups("")
    try:
        parsed = datetime.fromisoformat(f"{day} {time or '00:00'}{zone.upper().replace('UTC', 'Z')}")
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def to_vectors(values: pa.Array) -> pa.Array:
    """Return lists of finite float32: native lists, JSON arrays, or text with numbers between commas,
    semicolons, bars or spaces; null for one with anything else in it."""
    if is_text(values.type):
        text = pc.utf8_trim(values.cast(pa.string()), AROUND_NUMBERS)
        parts = pc.split_pattern_regex(text, BETWEEN_NUMBERS)
        values = pc.if_else(pc.equal(text, ""), pa.scalar([], parts.type), parts)
    lists = values.cast(pa.list_(values.type.value_type))
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    numbers = to_numbers(lists.flatten()).to_numpy(zero_copy_only=False)  # NaN for null
    with np.errstate(over="ignore"):
        single = numbers.astype(np.float32)
    broken = np.zeros(len(lists), bool)
    broken[np.repeat(np.arange(len(lists)), lengths)[~np.isfinite(single)]] = True
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    nothing = pc.or_(pa.array(broken), pc.is_null(lists))
    return pc.if_else(nothing, None, pa.ListArray.from_arrays(offsets, pa.array(single)))


def _unix_times(values: pa.Array) -> pa.Array:
    whole, number = to_whole_numbers(values), to_numbers(values)
    exact = whole.fill_null(0).to_numpy(zero_copy_only=False)
    about = (
        pc.coalesce(whole.cast(pa.float64(), safe=False), number)
        .fill_null(0.0)
        .to_numpy(zero_copy_only=False)
    )
    size = np.abs(about)
    with np.errstate(over="ignore", invalid="ignore"):
        micros = np.select(
            [size < SECONDS_BELOW, size < MILLISECONDS_BELOW, size < MICROSECONDS_BELOW],
            [_times(exact, about, 1_000_000), _times(exact, about, 1_000), _times(exact, about, 1)],
            np.where(exact != 0, exact // 1_000, (about // 1_000).astype(np.int64)),
        )
    missing = ~pc.is_valid(pc.coalesce(whole.cast(pa.float64(), safe=False), number)).to_numpy(
        zero_copy_only=False
    )
    return pa.array(micros, pa.int64(), mask=missing | (size >= NANOSECONDS_BELOW)).cast(
        ARROW_TYPES["timestamp"]
    )


def _times(exact: Any, about: Any, factor: int) -> Any:
    """Return Unix times in microseconds: from whole numbers where there are, else from rounded ones."""
    return np.where(exact != 0, exact * factor, np.round(about * factor).astype(np.int64))


def _moment_without_zone(text: str | None) -> datetime | None:
    found = moment(text)
    return found.replace(tzinfo=None) if found else None


def _in_64_bits(value: Any) -> int | None:
    return int(value) if -(2**63) <= int(value) < 2**63 else None


def _only(text: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(text, pattern), text, None)


def _cast_each(values: pa.Array, kind: pa.DataType, one: Callable[[Any], Any]) -> pa.Array:
    """Cast all at once; where Arrow stumbles over a value, make them one by one."""
    try:
        return values.cast(kind)
    except pa.ArrowInvalid:
        return pa.array([None if v is None else one(v) for v in values.to_pylist()], kind)


def _is_number(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal))
