"""Values of every form that sources write become the contract's types; all others become nulls."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from pipeline_tasks.contracts import ColumnType
from pipeline_tasks.sources.casting import to_type, without_blanks

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MOMENTS = {
    # Unix times, by magnitude
    "1769860800": NOON,
    "1769860800.0": NOON,
    "1.7698608e9": NOON,
    "1769860800000": NOON,
    "1769860800123": NOON.replace(microsecond=123_000),
    "1769860800123456": NOON.replace(microsecond=123_456),
    "1769860800123456789": NOON.replace(microsecond=123_456),
    "0": datetime(1970, 1, 1, tzinfo=UTC),
    "-86400": datetime(1969, 12, 31, tzinfo=UTC),
    "-62135596800": datetime(1, 1, 1, tzinfo=UTC),
    # ISO 8601 with a zone
    "2026-01-31T12:00:00Z": NOON,
    "2026-01-31t12:00:00z": NOON,
    "2026-01-31T13:00:00+01:00": NOON,
    "2026-01-31 13:00:00 +0100": NOON,
    "2026-01-31T13:00+01": NOON,
    "2026-01-31 12:00:00 UTC": NOON,
    "2026-01-31T04:00:00.000-08:00": NOON,
    # and without one: UTC
    "2026-01-31T12:00:00": NOON,
    "2026-01-31 12:00": NOON,
    " 2026-01-31 12:00:00.123456789 ": NOON.replace(microsecond=123_456),
    "2026-01-31": NOON.replace(hour=0),
    "20260131": NOON.replace(hour=0),
    # no moments
    "yesterday": None,
    "31/02/2026": None,
    "2026-02-30": None,
    "2026-02-30T12:00:00Z": None,
    "2026-01-31T25:00:00": None,
    "20261301": None,
    "12:00:00": None,
    "2026-01": None,
    "nan": None,
    "Infinity": None,
    "99999999999999999999": None,
    "1e300": None,
    "2026-01-31T12:00:00 Europe/Berlin": None,
    # before the year 1
    "-62135600400": None,
    "0000-01-01 00:00:00": None,
    "0000-12-31T23:00:00Z": None,
    "0001-01-01T00:00:00+01:00": None,
}


def cast(kind: ColumnType, *values: Any, of: pa.DataType | None = None, **options: Any) -> list[Any]:
    blanks = without_blanks(pa.array(values, of), options.get("null_values", ()))
    found: list[Any] = to_type(blanks, kind, **options).to_pylist()
    return found


def test_times_of_every_form_become_the_same_moment() -> None:
    assert dict(zip(MOMENTS, cast("timestamp", *MOMENTS), strict=True)) == MOMENTS


@pytest.mark.parametrize("text", MOMENTS)
def test_a_time_is_read_the_same_alone(text: str) -> None:
    assert cast("timestamp", text) == [MOMENTS[text]]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.int64(), 1769860800),
        (pa.int64(), 1769860800000),
        (pa.int64(), 1769860800000000000),
        (pa.uint32(), 1769860800),
        (pa.float64(), 1769860800.0),
        (pa.decimal128(12, 0), Decimal(1769860800)),
        (pa.timestamp("us", "UTC"), NOON),
        (pa.timestamp("ns", "Asia/Shanghai"), NOON),
        (pa.timestamp("ms"), NOON.replace(tzinfo=None)),
    ],
)
def test_native_times_become_the_same_moment(kind: pa.DataType, value: Any) -> None:
    assert cast("timestamp", value, None, of=kind) == [NOON, None]


@pytest.mark.parametrize("micros", [-62_135_596_800_000_001, 253_402_300_800_000_000])
def test_a_native_time_of_no_year_that_has_four_digits_is_none(micros: int) -> None:
    assert cast("timestamp", micros, None, 0, of=pa.timestamp("us", "UTC")) == [
        None,
        None,
        datetime(1970, 1, 1, tzinfo=UTC),
    ]


def test_a_native_date_is_its_midnight_in_utc() -> None:
    assert cast("timestamp", date(2026, 1, 31)) == [NOON.replace(hour=0)]


def test_numbers_are_read_and_nothing_else_is() -> None:
    assert cast("float", "12", "-0.5", "1e3", " 7 ", "+1", ".5", "5.") == [
        12.0,
        -0.5,
        1000.0,
        7.0,
        1.0,
        0.5,
        5.0,
    ]
    assert cast("float", "1,5", "1d", "nan", "inf", "1e999", "0x10", "twelve") == [None] * 7
    assert cast("float", 1.5, float("nan"), float("inf"), None) == [1.5, None, None, None]
    assert cast("float", Decimal("1.50")) == [1.5]


def test_whole_numbers_may_have_a_zero_fraction_only() -> None:
    assert cast("integer", "34", "34.0", "3.4e1", "34.5", "old", "9" * 19, "9223372036854775807") == [
        *[34] * 3,
        *[None] * 3,
        2**63 - 1,
    ]
    assert cast("integer", 34.0, 34.5, float("nan")) == [34, None, None]
    assert cast("integer", 2**63 - 1, of=pa.uint64()) == [2**63 - 1]
    assert cast("integer", 2**63, of=pa.uint64()) == [None]


def test_booleans_are_read_in_their_usual_words() -> None:
    assert cast("boolean", "true", "True", "1", " yes", "Y", "t") == [True] * 6
    assert cast("boolean", "false", "0", "NO", "f", "0.0") == [False] * 5
    assert cast("boolean", "maybe", "", "2") == [None] * 3
    assert cast("boolean", 1, 0, 2, None) == [True, False, None, None]
    assert cast("boolean", True, False, None) == [True, False, None]


def test_lists_come_from_text_json_and_arrays() -> None:
    texts = ["a|b", " a | |b ", '["a", "b"]', "[a|b", "(none)", "a.b", None]
    found = cast("strings", *texts, null_values=("(none)",))
    assert found == [["a", "b"], ["a", "b"], ["a", "b"], ["[a", "b"], None, ["a.b"], None]
    assert cast("strings", ["a", " ", None, "(none)", "b"], null_values=("(none)",)) == [["a", "b"]]
    assert cast("strings", "a.b", separator=".") == [["a", "b"]]


def test_lists_hold_what_utf8_can_and_nothing_is_nested_too_deep() -> None:
    assert cast("strings", '["caf\\ud83d", "\\ud83e\\udd89", 1]') == [["caf?", "🦉", "1"]]
    assert cast("strings", [b"caf\xc3", None], [b"b"]) == [["caf\ufffd"], ["b"]]
    deep = ["[" * depth + "]" * depth for depth in range(900, 1001)]  # Python counts its own calls as well
    assert all(isinstance(found, list) for found in cast("strings", *deep))


def test_vectors_come_from_text_json_and_arrays() -> None:
    texts = ["[0.5, -1e-2, 3]", '["0.5", "-0.01", "3"]', "0.5,-0.01,3", " 0.5 | -0.01 | 3 ", "0.5;-0.01;3",
             "(0.5 -0.01\t3"]  # fmt: skip
    expected = [0.5, pytest.approx(-0.01), 3.0]
    assert cast("vector", *texts) == [expected] * 5 + [None]
    assert cast("vector", "[]", None, "[7]") == [[], None, [7.0]]
    for of in (pa.list_(pa.float64()), pa.list_(pa.float64(), 3), pa.large_list(pa.float32())):
        assert cast("vector", [0.5, -0.01, 3], None, of=of) == [expected, None]
    assert cast("vector", [1, 2], [], None) == [[1.0, 2.0], [], None]


@pytest.mark.parametrize(
    "wrong", ["[1, NaN]", "1,inf", "[1, null]", "[1, 1e39]", "1,,2", "[[1], [2]]", "[1, x]", "none"]
)
def test_what_is_no_vector_of_finite_numbers_is_none(wrong: str) -> None:
    assert cast("vector", "1,2", wrong, "3,4") == [[1.0, 2.0], None, [3.0, 4.0]]


def test_arrays_with_a_number_that_is_none_are_no_vectors() -> None:
    assert cast("vector", [1.0, float("nan")], [1.0, None], [float("inf")], [1.0, 2.0]) == [None] * 3 + [
        [1.0, 2.0]
    ]


def test_what_says_nothing_is_null() -> None:
    assert cast("string", "", "  ", "?", None, "a", null_values=("?",)) == [None] * 4 + ["a"]


def test_ids_stay_as_the_source_writes_them() -> None:
    ids = ["a/b", "../../etc/passwd", "o'brien", 'say "hi"', "🦉", "用户", " padded ", "x" * 10_000, "007"]
    assert cast("string", *ids) == ids


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert cast("string", b"u\xff", b"caf\xc3\xa9", None) == ["u\ufffd", "café", None]


def test_numeric_ids_become_text_without_a_fraction() -> None:
    assert cast("string", 12.0, float("nan"), 1.5) == ["12", None, "1.5"]
    assert cast("string", 2**60) == [str(2**60)]


def test_empty_batches_are_typed() -> None:
    for kind in ("string", "integer", "float", "boolean", "timestamp", "strings", "vector"):
        assert cast(kind, of=pa.string()) == []
