"""Whether every row of a night is accounted for: counts in, the account of a table out."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline_tasks.errors import NightjarError


@dataclass(frozen=True)
class Account:
    """Where the rows of one table and night went.

    `raw` rows could be typed, `rejected` ones could not; `quarantined` by validation, `cleaned_out` by
    cleaning, by reason, as `duplicates` by kind.
    """

    table: str
    raw: int
    rejected: int
    clean: int
    quarantined: int
    cleaned_out: dict[str, int] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)

    @property
    def rows_in(self) -> int:
        return self.raw + self.rejected

    @property
    def rows_out(self) -> int:
        gone = sum(self.cleaned_out.values()) + sum(self.duplicates.values())
        return self.clean + self.rejected + self.quarantined + gone

    def check(self) -> "Account":
        """Return the account; raises NightjarError where in is not clean + rejected + quarantined +
        duplicates."""
        if self.rows_in != self.rows_out:
            raise NightjarError(
                f"{self.table}: {self.rows_in} rows came in and {self.rows_out} are accounted for: {self.clean} "
                f"clean, {self.rejected} rejected, {self.quarantined} quarantined by validation, "
                f"{sum(self.cleaned_out.values())} by cleaning, {sum(self.duplicates.values())} duplicates",
                "run validate and then preprocess for this night again",
            )
        return self

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "in": self.rows_in}
