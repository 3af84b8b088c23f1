"""Every setting as one Markdown table: key, default, meaning."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline_tasks.settings import Settings


def rows(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (key, default, meaning) of each setting, sections flattened with dots."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from rows(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, _default(field), " ".join((field.description or "").split())


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)
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
        lines.append(f"| `{key}` | {shown} | {meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)
