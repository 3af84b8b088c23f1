"""report.json in; how the night ended, in a word and in a sentence, out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline_tasks.publishing.log import FORCED

Tone = Literal["good", "wait", "bad"]

# by how a night ended
WORDS: dict[str, tuple[str, Tone]] = {
    "live": ("Published", "good"),
    "unchanged": ("Published, unchanged", "good"),
    "past": ("No longer live", "wait"),
    "unpublished": ("Ready, not published", "wait"),
    "held": ("Held", "wait"),
    "refused": ("Refused", "bad"),
    "failed": ("Failed", "bad"),
}
# by the action of the entry of the log that made it live
ACTS = {"publish": "was published", "release": "was released", "rollback": "was made live again"}
# of a night that could not be read, nobody knows whether it did
PASSED = ("live", "unchanged", "past", "unpublished")


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
    overridden = _overridden(content)
    counted = f"{warnings} warning{'s' * (warnings > 1)}" if warnings else ""
    if overridden:
        judged = overridden + (f"; it has {counted}" if counted else "")
    else:
        judged = "It passed its check" + (f", with {counted}" if counted else "")
    if not serving.get("name"):
        return f"{judged}."
    return _sentence(f"{judged}; {serving['name']} serves: {serving.get('reason', '')}")


def _overridden(content: Mapping[str, Any]) -> str:
    """Return who made the version live, why, and in spite of what its health found; empty where nothing was overridden."""
    health = content.get("health") or ()
    against = [each["sentence"] for each in health if each["severity"] == "stop" and not each["holds"]]
    entry = content.get("entry") or {}
    forced = str(entry.get("why", "")).startswith(FORCED)
    if not entry:
        return f"Its health would hold it back: {'; '.join(against)}" if against else ""
    if not against and not forced:
        return ""
    why = entry["why"].removeprefix(FORCED)
    untold = [sentence for sentence in against if sentence not in why]
    act = "was forced" if forced else ACTS.get(entry["action"], "went live")
    despite = f", although {'; '.join(untold)}" if untold else ""
    return f"It {'' if against else 'passed its check and '}{act} by {entry['who']}: {why}{despite}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""
