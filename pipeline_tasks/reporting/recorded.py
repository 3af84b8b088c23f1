"""What the stages' records tell of a night beyond its summary: records in, facts as they stand out, absent ones left out."""

from typing import Any

from pipeline_tasks.lake.records import Record

# of each stage's facts those that the page shows, by the name that they have there
SHOWN = {
    "preprocess": {"accounts": "accounts"},
    "evaluate": {"intervals": "intervals", "comparison": "comparison", "holdout": "holdout"},
    "recommend": {"rules": "rules", "shortfalls": "shortfalls"},
    "check": {
        "health": "health",
        "difference": "difference",
        "availability": "availability",
        "removed": "refilled",
        "declared_rules": "declared_rules",
    },
}


def recorded(fresh: dict[str, Record], *, people: bool = True) -> dict[str, Any]:
    """Return the facts of the night's newest run; null where a stage has not run, or does not tell.

    Without `people` no user is named.
    """
    told = {
        name: fresh[stage].report.facts.get(fact) if stage in fresh else None
        for stage, facts in SHOWN.items()
        for fact, name in facts.items()
    }
    declared = told["declared_rules"]
    if declared and not people:
        told["declared_rules"] = {**declared, "top_n": _nameless(declared.get("top_n", {}))}
    return told


def _nameless(rules: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the rules of top_n without examples, which are users."""
    return {
        rule: {name: count for name, count in counted.items() if name != "examples"}
        for rule, counted in rules.items()
    }
