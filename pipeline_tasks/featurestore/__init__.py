"""The feature store: Feast with its definitions, its copies of the lake's snapshots, and its online store.

Feast is imported here once, and lightly: it would import torch where that is installed (three seconds, for
a tensor type that no feature has), and have typeguard rewrite its classes (five seconds).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typeguard

__all__ = ["feast"]


def _unchecked(target: Any = None, **_: Any) -> Any:
    """Stand in for typeguard's decorator, which is used with and without arguments."""
    return target if target is not None else _unchecked


@contextmanager
def _light_import() -> Iterator[None]:
    checked, without_torch = typeguard.typechecked, "torch" not in sys.modules
    typeguard.typechecked = _unchecked
    if without_torch:
        sys.modules["torch"] = None  # type: ignore[assignment]  # what Python reads as "not installed"
    try:
        yield
    finally:
        typeguard.typechecked = checked
        if without_torch:
            del sys.modules["torch"]


os.environ["FEAST_USAGE"] = "False"
with _light_import():
    import feast
