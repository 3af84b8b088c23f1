"""What rules did to lists, and what they came to: counts of the stages' records in, words out."""

from collections.abc import Mapping
from typing import Any

# by what is counted of a declared rule in the final lists
KEPT = {
    "placed": "{:,} in their place",
    "missing": "{:,} not in their place",
    "rows": "{:,} rows",
    "lists": "{:,} lists",
    "lists_below": "{:,} of them with too few",
    "below_n": "{:,} lists have fewer than N",
    "could_be_longer": "{:,} of them could be longer",
}


def effect(counted: Mapping[str, Any]) -> str:
    """Return in words what a rule did: how many of what it left out, and what else it counts; empty for nothing."""
    counts = {name: value for name, value in counted.items() if isinstance(value, int) and value}
    told = [f"{counts.pop('removed'):,} {counted.get('of', 'rows')} left out"] if "removed" in counts else []
    return ", ".join([*told, *(f"{name.replace('_', ' ')} {value:,}" for name, value in counts.items())])


def shortfall(short: Mapping[str, int]) -> str:
    """Return in words which lists came up short by rules, and how they were refilled; empty for none."""
    lists, rows, below = (short.get(name, 0) for name in ("lists", "rows_refilled", "below_n"))
    if not lists:
        return ""
    told = f"{lists:,} lists came up short, {rows:,} rows refilled from popular"
    return told + (f", {below:,} have fewer than N all the same" if below else "")


def kept(counted: Mapping[str, Any]) -> str:
    """Return in words what a declared rule came to in the final lists, with examples of lists that it is not kept in."""
    told = [form.format(counted[name]) for name, form in KEPT.items() if counted.get(name)]
    examples = counted.get("examples")
    return ", ".join(told or ["nothing is lacking"]) + (f", as in {', '.join(examples)}" if examples else "")
