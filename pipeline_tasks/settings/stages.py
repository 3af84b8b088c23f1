"""The settings of the stages: one section a subject, a docstring a key."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline_tasks.contracts import SOURCE_TABLES
from pipeline_tasks.settings.schedule import Schedule
from pipeline_tasks.settings.source import Section, filled_up

# share of a source table's rows that may be bad, where nobody has set another
BUDGET = dict.fromkeys(SOURCE_TABLES, 0.05)


class AirflowSettings(Section):
    schedule: Schedule = "0 2 * * *"
    """When the nightly DAG starts (cron, UTC)."""
    deadline: str = Field("", pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$")
    """Time of day (UTC, as 06:00) by which a scheduled night must be live, else `notify` is told; empty: none."""
    retries: int = Field(2, ge=0)
    """Further tries of a stage that failed for a reason that a retry may cure."""
    retry_delay_seconds: int = Field(120, ge=0)
    """Pause before a further try."""

    @model_validator(mode="after")
    def _schedule_has_one_time_of_day(self) -> Self:
        if self.deadline and not re.match(r"\d+ \d+ ", self.schedule):
            raise ValueError(
                f"deadline is after one time of day, and schedule ({self.schedule}) does not begin with one: "
                "write its minute and hour as numbers, or leave deadline empty"
            )
        return self

    @property
    def deadline_after(self) -> timedelta | None:
        """How long after the schedule's moment the deadline is, above 0 and up to a day; None without one."""
        if not self.deadline:
            return None
        minute, hour = map(int, self.schedule.split()[:2])
        by_hour, by_minute = map(int, self.deadline.split(":"))
        minutes = (by_hour - hour) * 60 + by_minute - minute
        return timedelta(minutes=minutes % (24 * 60) or 24 * 60)


class SparkSettings(Section):
    master: str = "local[*]"
    """Spark master; anything that does not begin with "local" is a cluster, which reads s3a:// itself."""
    driver_memory: str = Field("2g", pattern=r"^\d+[mg]$")
    """Heap of the driver (in local mode, of everything)."""
    shuffle_partitions: int = Field(4, ge=1)
    """Partitions after a shuffle; some three times the cores."""
    output_files: int = Field(1, ge=1)
    """Files that a table is written into; on a cluster some three times the executors."""
    conf: dict[str, str] = {}
    """Further Spark properties."""

    @property
    def is_local(self) -> bool:
        """Whether Spark runs inside the stage's own process."""
        return self.master.startswith("local")


class QualitySettings(Section):
    quarantine_budget: Annotated[dict[str, float], filled_up(BUDGET)] = BUDGET
    """Share of a table's rows that may be rejected or quarantined before the night stops; tables that are not named
    keep this default."""
    freshness_days: float = Field(2.0, gt=0)
    """Warn when the newest event is older than this before the end of the run date."""

    @model_validator(mode="after")
    def _budgets_are_shares_of_tables(self) -> Self:
        for name, share in self.quarantine_budget.items():
            if name not in BUDGET:
                raise ValueError(f"quarantine_budget: {name!r} is no table; there are {', '.join(BUDGET)}")
            if not 0 <= share <= 1:
                raise ValueError(f"quarantine_budget.{name}: {share} is no share from 0 to 1")
        return self


class PreprocessSettings(Section):
    near_duplicate_seconds: float = Field(2.0, ge=0)
    """Same user, item and event type within this time is one event."""
    bot_floor_events_per_hour: int = Field(500, ge=1)
    """Nobody with fewer events in every hour is a bot."""
    bot_factor: float = Field(4.0, ge=1)
    """A bot also exceeds this many times the 99th percentile of events per user and hour."""


class FeatureSettings(Section):
    snapshots: int = Field(14, ge=1)
    """Days of feature snapshots to have (K)."""
    affinity_dim: int = Field(32, ge=4)
    """Width of the hashed category and tag affinity."""
    text_encoder: str = Field("tfidf", pattern=r"^(tfidf|sentence-transformers:.+)$")
    """tfidf, or sentence-transformers:<name or folder> of a model that is on this machine; nothing is downloaded."""
    text_dim: int = Field(128, ge=2)
    """Width of the text embedding by tfidf (TF-IDF and SVD)."""
    refit_days: int = Field(28, ge=1)
    """tfidf is fitted anew after so many days, else the newest one before the night is kept."""
    image_encoder: str = Field("descriptors", pattern=r"^(descriptors|(torchvision|timm):[\w.]+)$")
    """descriptors (colour and texture), torchvision:<model> or timm:<model>."""
    image_weights: Path | None = None
    """The network's weights: a file (safetensors, or a state_dict of torch), or a folder with one."""
    feast: str = "feature_repo/feature_store.yaml"
    """Feast's configuration, from the checkout; another file can name another registry and online store."""

    @model_validator(mode="after")
    def _networks_have_weights(self) -> Self:
        if self.image_encoder != "descriptors" and self.image_weights is None:
            raise ValueError(
                f"image_weights: {self.image_encoder} needs a file of weights; nothing is downloaded"
            )
        return self


class DatasetSettings(Section):
    holdout_min_users: int = Field(30, ge=1)
    """Warm users that make enough evidence."""
    holdout_max_days: int = Field(28, ge=1)
    """The holdout, and a ranker's validation before it, grow from one day to at most this each."""
    negatives: int = Field(4, ge=1)
    """Ranking examples without interest for each one with."""
    max_examples: int = Field(200_000, ge=1)
    """Positive ranking examples at most: of more events, each is as likely to be one as any other."""
