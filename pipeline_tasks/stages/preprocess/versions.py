"""Items and users of a night: good versions in; filled, scaled, tokenized ones out."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import ITEM_TEXTS, ITEMS, Contract
from pipeline_tasks.spark import cleaning
from pipeline_tasks.spark.missing import REASON, count_missing
from pipeline_tasks.spark.text import add_tokens
from pipeline_tasks.stages.preprocess.work import KEPT, Work


@dataclass(frozen=True)
class CleanedVersions:
    """All good versions of a table with `reason` on those to drop, and what was fitted on them."""

    contract: Contract
    frame: DataFrame
    missing: dict[str, int]
    reasons: dict[str, int]
    fitted: cleaning.Fitted

    def clean(self) -> DataFrame:
        return self.frame.where(F.col(REASON).isNull()).drop(REASON)


def clean_versions(work: Work, contract: Contract, good: DataFrame) -> CleanedVersions:
    """Handle the missing values of a table with what the night before has fitted, or else with tonight's."""
    strategies, scales = work.strategies(contract), work.scales(contract)
    before = work.before(f"clean/{contract.name}")
    past = before.facts.get("fitted", {}) if before else {}
    what = cleaning.wanted(strategies, scales)
    tonight = cleaning.fit(good, what)
    filled = cleaning.handle_missing(
        good, contract, strategies, cleaning.prefer(past, tonight, what), work.settings.seed
    )
    filled = filled.persist(KEPT)
    return CleanedVersions(
        contract,
        filled,
        count_missing(good, list(strategies)),
        _count_reasons(filled) if cleaning.drops(strategies) else {},
        cleaning.prefer(tonight, past, what),
    )


def _count_reasons(filled: DataFrame) -> dict[str, int]:
    dropped = filled.where(F.col(REASON).isNotNull()).groupBy(REASON).count().collect()
    return {row[REASON]: row["count"] for row in sorted(dropped)}


def write_versions(work: Work, versions: CleanedVersions) -> None:
    """Commit the clean versions and those that were dropped; as clean events, they have no integers."""
    contract = versions.contract
    work.quarantine(contract, versions.frame.where(F.col(REASON).isNotNull()))
    clean = versions.clean()
    if contract is ITEMS:
        clean = add_tokens(clean, ITEM_TEXTS)
    work.write(f"clean/{contract.name}", clean, contract.key, facts={"fitted": versions.fitted})
