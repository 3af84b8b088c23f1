"""The parameters of a sample shop, checked; days, seconds and random streams come out of them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from pipeline_tasks.errors import Refused

DAY_SECONDS = 86_400
HISTORY_DAYS = 1_100  # users and items of the first day joined and appeared up to so long before it


@dataclass(frozen=True)
class Plan:
    """How large a shop, over which days (`end` is the last one); raises Refused for impossible numbers."""

    users: int
    items: int
    days: int
    seed: int
    images: bool
    end: date

    def __post_init__(self) -> None:
        for name in ("users", "items", "days"):
            if getattr(self, name) < 1:
                raise Refused(
                    f"the sample needs at least 1 of {name}, not {getattr(self, name)}", f"see --{name}"
                )
        if self.seed < 0:
            raise Refused(f"the seed must be 0 or more, not {self.seed}", "see --seed")
        if self.days + HISTORY_DAYS >= self.end.toordinal():
            raise Refused(f"{self.days} days up to {self.end} would begin before year 1", "see --days, --end")
        if self.end.year > 9_990:
            raise Refused(f"the last day {self.end} leaves no room for later arrivals", "see --end")

    @property
    def first_day(self) -> date:
        return self.end - timedelta(days=self.days - 1)

    @property
    def start(self) -> int:
        """The first day's midnight, in unix seconds."""
        day = self.first_day
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())

    @property
    def stop(self) -> int:
        """The midnight that ends the last day, in unix seconds."""
        return self.start + self.days * DAY_SECONDS

    def day(self, number: int) -> date:
        return self.first_day + timedelta(days=number)

    def rng(self, *stream: int) -> np.random.Generator:
        """Return the generator of one stream: each subject, day and block of users has its own."""
        return np.random.default_rng([self.seed, *stream])
