"""Texts and lists of texts as a source writes them in; in UTF-8, as Arrow and Parquet have them, out.

Nothing here fails on a value: what is no text in UTF-8 is replaced, and what is no JSON array is split.
"""

import json
from collections.abc import Collection
from typing import Any

import pyarrow as pa


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of a type may be read as text: bytes may, and where there are none but nulls."""
    types = pa.types
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    raw = (types.is_binary, types.is_large_binary, types.is_binary_view)
    return any(test(kind) for test in (*texts, *raw, types.is_null))


def is_list(kind: pa.DataType) -> bool:
    """Return whether values of a type are lists."""
    types = pa.types
    return any(test(kind) for test in (types.is_list, types.is_large_list, types.is_fixed_size_list))


def in_utf8(values: pa.Array) -> pa.Array:
    """Return texts, or lists of them, with what is no UTF-8 in them replaced; other values as they are."""
    kind, raw, nested = pa.string(), pa.binary(), is_list(values.type)
    if not is_text(values.type.value_type if nested else values.type):
        return values
    if nested:
        kind, raw = pa.list_(kind), pa.list_(raw)
    as_bytes = values.cast(raw)
    try:
        return as_bytes.cast(kind)
    except pa.ArrowInvalid:
        return pa.array([_decoded(value) for value in as_bytes.to_pylist()], kind)


def whole_characters(text: str) -> str:
    """Return the text with a question mark for each half of a surrogate pair, which JSON may hold and UTF-8 not."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def to_lists(values: pa.Array, separator: str, null_values: Collection[str]) -> pa.Array:
    """Return lists of trimmed, non-empty texts: native lists, JSON arrays, or text between separators."""
    nothing = {"", *null_values}

    def parts(value: Any) -> list[str] | None:
        if value is None:
            return None
        found = value if isinstance(value, list) else _json_list(value)
        trimmed = (
            str(each).strip()
            for each in (value.split(separator) if found is None else found)
            if each is not None
        )
        return [each for each in trimmed if each not in nothing]

    return pa.array([parts(value) for value in values.to_pylist()], pa.list_(pa.string()))


def _json_list(text: str) -> list[str] | None:
    """Return the texts of a JSON array, or None where the text is none, or is nested too deep to be read."""
    if not text.lstrip().startswith("["):
        return None
    try:
        return [whole_characters(str(each)) for each in json.loads(text) if each is not None]
    except (ValueError, RecursionError):
        return None


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    return None if value is None else value.decode("utf-8", "replace")
