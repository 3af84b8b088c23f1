"""JSON of a stored object in, a dataclass out whose fields are of the types that it declares.

The reader, which needs pyarrow and boto3 alone, has no pydantic.
"""

import json
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

T = TypeVar("T")
# characters of a wrong value
SHOWN = 60


def parsed(kind: type[T], data: bytes) -> T:
    """Return the `kind` that a JSON object holds; raises ValueError, which says why, where it holds none."""
    return shaped(kind, json.loads(data))


def shaped(kind: type[T], content: Any) -> T:
    """Return the `kind` whose fields are `content`; raises ValueError as `parsed`. A pair may be a list, as in JSON."""
    try:
        found = kind(**content)
    except TypeError as error:
        raise ValueError(str(error)) from error
    for name, hint in get_type_hints(kind).items():
        if not fits(getattr(found, name), hint):
            raise ValueError(f"its {name} is {repr(getattr(found, name))[:SHOWN]}")
    return found


def fits(value: Any, hint: Any) -> bool:
    """Say whether a value of JSON is of a declared type; a typed dict may have more keys than it declares."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in inner
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in inner)
    if is_typeddict(hint):
        wanted = get_type_hints(hint)
        return isinstance(value, dict) and all(n in value and fits(value[n], wanted[n]) for n in wanted)
    if origin is dict:
        return isinstance(value, dict) and all(fits(each, inner[1]) for each in value.values())
    if origin is list:
        return isinstance(value, list) and all(fits(each, inner[0]) for each in value)
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(inner) and all(map(fits, value, inner))
    if hint is float:
        return type(value) in (int, float)
    return hint is Any or type(value) is hint
