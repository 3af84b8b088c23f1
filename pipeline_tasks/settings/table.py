"""Every setting as one Markdown table: key, default, meaning."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline_tasks.settings import Settings


def rows(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (key, default, meaning) of each setting, sections flattened with dots.

    Of sections in a dictionary or a list the keys come after it: sources.<name>.events, rules.pins[].item.
    """
    for name, field in model.model_fields.items():
        way, section = _within(field.annotation)
        if way or section is None:
            required = "Required. " if field.is_required() else ""
            yield prefix + name, _default(field), required + " ".join((field.description or "").split())
        if section:
            yield from rows(section, f"{prefix}{name}{way}.")


def _within(annotation: Any) -> tuple[str, type[BaseModel] | None]:
    """Return what leads from a field to the section that its type holds, and that section; None where it holds none."""
    of = get_args(annotation)
    if get_origin(annotation) is dict:
        called = get_args(of[0])[1] if get_origin(of[0]) is Annotated else "name"
        way, section = _within(of[1])
        return f".<{called}>{way}", section
    if get_origin(annotation) is tuple:
        way, section = _within(of[0])
        return f"[]{way}", section
    return "", annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _default(field: FieldInfo) -> str:
    value: Any = None if field.is_required() else field.get_default(call_default_factory=True)
    if value is None or value in ({}, ()) or str(value) == "":
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def markdown() -> str:
    """Return the table of the README."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for key, default, meaning in rows():
        shown = f"`{default}`" if default else ""
        lines.append(
            "| " + " | ".join(cell.replace("|", r"\|") for cell in (f"`{key}`", shown, meaning)) + " |"
        )
    return "\n".join(lines)
