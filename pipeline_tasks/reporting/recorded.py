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
    },
}


def recorded(fresh: dict[str, Record]) -> dict[str, Any]:
    """Return the facts of the night's newest run; null where a stage has not run, or does not tell."""
    return {
        name: fresh[stage].report.facts.get(fact) if stage in fresh else None
        for stage, facts in SHOWN.items()
        for fact, name in facts.items()
    }
