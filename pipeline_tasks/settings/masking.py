"""Settings for printing: what looks like a secret is not shown."""

import re
from typing import Any

from pydantic import BaseModel

# of a key whose value is not to be seen; of sections that hold one, what is found in their place
MASKED = (
    r"secret|password|passphrase|pwd|token|credential|webhook|(access|account|api|encryption|private).?key"
    r"|^notify(\.mail)?$"
)


def masked(settings: BaseModel) -> dict[str, Any]:
    """Return the effective settings for printing: values that look like secrets are replaced by '***'."""
    return {key: mask(key, value) for key, value in settings.model_dump(mode="json").items()}


def mask(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: mask(name, inner) for name, inner in value.items()}
    if re.search(MASKED, key, re.IGNORECASE):
        return "***" if value else value
    if isinstance(value, str):
        return re.sub(r"(://[^/:@]*:)[^/]+@", r"\1***@", value)
    return value
