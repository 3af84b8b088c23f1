"""report.json in; how the night ended, in a word and in a sentence, out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Tone = Literal["good", "wait", "bad"]

# by how a night ended
WORDS: dict[str, tuple[str, Tone]] = {
    "live": ("Published", "good"),
    "unchanged": ("Published, unchanged", "good"),
    "unpublished": ("Ready, not published", "wait"),
    "held": ("Held", "wait"),
    "refused": ("Refused", "bad"),
    "failed": ("Failed", "bad"),
}
# of a night that could not be read, nobody knows whether it did
PASSED = ("live", "unchanged", "unpublished")


@dataclass(frozen=True)
class Told:
    """A verdict: its word and tone, what happened, and why, or what consumers read instead (empty: not known)."""

    word: str
    tone: Tone
    line: str
    why: str


def ended(content: Mapping[str, Any]) -> str:
    """Return how the night ended: its state, where one that failed was refused by a stage or not."""
    at = [each["status"] for each in content.get("stages") or () if each["stage"] == content.get("at")]
    return "refused" if content["state"] == "failed" and at == ["refused"] else str(content["state"])


def told(content: Mapping[str, Any]) -> Told:
    """Return the night's verdict."""
    word, tone = word_of(ended(content))
    return Told(word, tone, _sentence(str(content["verdict"])), _why(content))


def word_of(end: str) -> tuple[str, Tone]:
    """Return the word and the tone for how a night ended."""
    return WORDS.get(end, ("Unknown", "bad"))


def _why(content: Mapping[str, Any]) -> str:
    if content["state"] in ("failed", "held"):
        live = content.get("live")
        return f"Consumers still read {live}." if live else "Nothing is published yet."
    if content["state"] not in PASSED:
        return ""
    serving, warnings = content.get("serving") or {}, len(content.get("warnings") or ())
    passed = "It passed its check" + (f", with {warnings} warning{'s' * (warnings > 1)}" if warnings else "")
    if not serving.get("name"):
        return f"{passed}."
    return _sentence(f"{passed}; {serving['name']} serves: {serving.get('reason', '')}")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""
