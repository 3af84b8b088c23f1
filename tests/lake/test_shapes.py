"""What a stored object holds is of the types that are declared, or it is said which of its values is not."""

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import pytest

from pipeline_tasks.lake import shapes


class Part(TypedDict):
    name: str
    share: float


@dataclass(frozen=True)
class Whole:
    count: int
    kind: Literal["a", "b"]
    parts: list[Part]
    pairs: list[tuple[str, int]]
    more: dict[str, Any] | None = None
    by: dict[str, str] | None = None


RIGHT = {
    "count": 1,
    "kind": "a",
    "parts": [{"name": "x", "share": 1, "and": "more"}],
    "pairs": [["x", 1]],
    "more": {"y": [None]},
}


def test_what_is_right_comes_as_it_is() -> None:
    assert shapes.shaped(Whole, RIGHT) == Whole(**RIGHT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": True},
        {"count": 1.0},
        {"kind": "c"},
        {"kind": []},
        {"parts": {}},
        {"parts": [{"name": "x"}]},
        {"parts": [{"name": "x", "share": "1"}]},
        {"pairs": [["x"]]},
        {"pairs": [["x", None]]},
        {"more": []},
        {"by": {"x": 1}},
    ],
)
def test_a_value_of_another_type_is_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"its {name} is "):
        shapes.shaped(Whole, {**RIGHT, **wrong})


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"null", b"{}", b'{"count": 1, "who": "x"}', b"\xff"])
def test_what_is_no_such_object_is_said(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are of json, or of Python
        shapes.parsed(Whole, data)
