"""Load the settings; what is wrong in them is told in one line: which key, what was found, what is allowed."""

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings.agreement import AGREED
from pipeline_tasks.settings.effective import PREFIX, Settings, config_path
from pipeline_tasks.settings.masking import MASKED, mask

# environment variables that are not settings: the file to read, what a run is for, and who started it
NOT_SETTINGS = {
    AGREED,
    "NIGHTJAR_LAUNCHED_BY",
    "NIGHTJAR_CONFIG",
    "NIGHTJAR_RUN_DATE",
    "NIGHTJAR_VERSION",
    "NIGHTJAR_WHY",
    "NIGHTJAR_FAILED",
    "NIGHTJAR_APPLY",
}
# what Kubernetes puts into every pod of a namespace that has a Service called nightjar, or nightjar-redis
OF_A_SERVICE = (
    rf"{PREFIX}([A-Z0-9]+_)*"
    r"(SERVICE_(HOST|PORT(_\w+)?)|PORT(?==\w+://)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=.*"
)
JSON_HINT = """lists and sections are written as JSON, as '["a", "b"]' or '{"key": "value"}'"""


def load(**overrides: Any) -> Settings:
    """Return the effective settings; raises Refused where a key or a value is wrong."""
    path = config_path()
    if not path.is_file():
        raise Refused(f"no settings file at {path}", "set NIGHTJAR_CONFIG, or run in the checkout")
    unknown = _unknown_variables()
    if unknown:
        allowed = ", ".join(PREFIX + name.upper() for name in Settings.model_fields)
        raise Refused(f"{unknown[0]} in the environment is no setting", f"allowed first levels: {allowed}")
    try:
        return Settings(**overrides)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path} is not valid TOML: {error}") from error
    except SettingsError as error:
        raise Refused(f"{_malformed(error)} in the environment is not valid JSON", JSON_HINT) from None
    except ValidationError as error:
        raise Refused(explain(error, path)) from None  # its own words hold what was found, a secret too


def _unknown_variables() -> list[str]:
    ours = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in NOT_SETTINGS)
    names = [name for name in ours if not re.fullmatch(OF_A_SERVICE, f"{name}={os.environ[name]}")]
    return [n for n in names if n.removeprefix(PREFIX).split("__")[0].lower() not in Settings.model_fields]


def _malformed(error: SettingsError) -> str:
    """Return the variable that could not be read: its value is the document that JSON's own error names."""
    field = re.search(r'field "(\w+)"', str(error))
    first = PREFIX + (field[1].upper() if field else "")
    value = getattr(error.__cause__, "doc", None)
    return next(
        (name for name in sorted(os.environ) if name.startswith(first) and os.environ[name] == value), first
    )


def explain(error: ValidationError, path: Path) -> str:
    """Return one line for the first thing that is wrong: key, found, allowed."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "settings"
    where = _place(first["loc"][:-1] if first["type"] == "missing" else first["loc"], path)
    if first["type"] == "extra_forbidden":
        return f"{key} in {where} is no setting; see `python -m pipeline_tasks settings --table`"
    message = first["msg"].removeprefix("Value error, ")
    value = "***" if re.search(MASKED, key, re.IGNORECASE) else mask(key, first["input"])
    found = "" if first["type"] == "value_error" else f" (found {value!r})"
    return f"{key} in {where}: {message}{found}"


def _place(key: tuple[int | str, ...], path: Path) -> str:
    """Return where a key is set: its own variable, that of a section around it, or the file; a section, by its keys' too."""
    for depth in range(len(key), 0, -1):
        variable = _variable(key[:depth])
        if variable in os.environ and _holds(os.environ[variable], key[depth:]):
            return f"environment variable {variable}"
    inner = sorted(name for name in os.environ if name.startswith(f"{_variable(key)}__"))
    return " and ".join([*(f"environment variable {name}" for name in inner), str(path)])


def _variable(key: tuple[int | str, ...]) -> str:
    return PREFIX + "__".join(str(part).upper() for part in key)


def _holds(text: str, rest: tuple[int | str, ...]) -> bool:
    """Say whether the JSON that a variable holds has a key; a variable's own key is there whatever it holds."""
    try:
        value: Any = json.loads(text) if rest else None
        for part in rest:
            value = value[part]
    except (ValueError, LookupError, TypeError):
        return False
    return True
