"""What a contract asks of each row: a contract in, its rules out. Data only, so that GX and Spark agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline_tasks.contracts import Column, Contract

RuleKind = Literal["missing", "out_of_range", "too_long", "not_allowed"]

# reasons that concern more than one row
DUPLICATE_KEY = "duplicate_key"
UNKNOWN_ITEM = "unknown_item"


@dataclass(frozen=True)
class Rule:
    """One thing that a column's value must not be."""

    column: Column
    kind: RuleKind
    allowed: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """How quarantined rows name it: "missing_user_id", "price_out_of_range"."""
        name = self.column.name
        return f"missing_{name}" if self.kind == "missing" else f"{name}_{self.kind}"


def row_rules(contract: Contract, event_types: Sequence[str] = ()) -> list[Rule]:
    """Return the contract's rules in the order of its columns, of every severity."""
    return [rule for column in contract.columns for rule in _rules_of(column, event_types)]


def has_unique_key(contract: Contract) -> bool:
    """Say whether a second row of the same key is an error; of a delta it is a repeated delivery."""
    return contract.kind == "snapshot"


def _rules_of(column: Column, event_types: Sequence[str]) -> list[Rule]:
    rules = []
    if not column.nullable:
        rules.append(Rule(column, "missing"))
    if column.minimum is not None or column.maximum is not None:
        rules.append(Rule(column, "out_of_range"))
    if column.max_characters is not None:
        rules.append(Rule(column, "too_long"))
    if column.allowed is not None:
        allowed = tuple(event_types) if column.allowed == "event_types" else column.allowed
        rules.append(Rule(column, "not_allowed", allowed))
    return rules
