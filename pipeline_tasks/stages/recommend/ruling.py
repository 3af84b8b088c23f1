"""What the rules did to the night's lists: their tallies in, facts for the record and a sentence out."""

from typing import Any

from pipeline_tasks.ranking.ruled import TableRules
from pipeline_tasks.rules_data import NightRules
from pipeline_tasks.settings.rules import LIST_TABLES


def told(night: NightRules) -> dict[str, Any]:
    """Return `rules` and `shortfalls` by table, and the `sentence` of the stage's summary.

    `removed` counts what is said by `of`: items or users that were left out altogether, pairs of user and item that
    could not come together, or rows that a rule passed over for others.
    """
    asked = night.settings.rules
    everywhere = {name: night.kept_out[name] for name in ("available", "blocked_items")}
    rules: dict[str, dict[str, Any]] = {}
    shortfalls: dict[str, dict[str, int]] = {}
    for table in LIST_TABLES:
        rules[table] = dict(everywhere)
        if table == "top_n":
            rules[table] |= {name: night.kept_out[name] for name in ("blocked_users", "blocked", "seen")}
        if table not in night.tables:
            continue
        made = night.tables[table]
        rules[table] |= _of(made)
        if any(table in pin.tables for pin in asked.pins):
            rules[table]["pins"] = {"placed": made.tally.placed, "missing": made.tally.missing}
        shortfalls[table] = {
            "lists": made.tally.short,
            "rows_refilled": made.tally.refilled,
            "below_n": made.tally.still_short,
        }
    return {
        "rules": rules,
        "shortfalls": shortfalls,
        "sentence": _sentence(rules["top_n"], shortfalls["top_n"]),
    }


def _of(made: TableRules) -> dict[str, dict[str, Any]]:
    """Return what each rule of a table passed over, and more where there is more to say."""
    found: dict[str, dict[str, Any]] = {
        name: {"removed": rows, "of": "rows"} for name, rows in made.tally.removed.items()
    }
    if "new_items" in found:
        found["new_items"]["lists_below"] = made.tally.few_new
    if made.rules.lifts is not None:
        found["boosts"] = {"rows_in_lists": made.tally.lifted}
    return found


def _sentence(rules: dict[str, dict[str, Any]], shortfall: dict[str, int]) -> str:
    removed = sorted(((each.get("removed", 0), name) for name, each in rules.items()), reverse=True)
    passed = ", ".join(f"{name} {count:,}" for count, name in removed if count) or "nothing"
    refilled = f"; {shortfall['rows_refilled']:,} rows refilled" if shortfall["rows_refilled"] else ""
    short = f", {shortfall['below_n']:,} lists below N" if shortfall["below_n"] else ""
    return f"rules left out: {passed}{refilled}{short}"
