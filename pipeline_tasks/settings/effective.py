"""All settings as one typed object, read from nightjar.toml and the environment."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pipeline_tasks.settings.models import EvaluateSettings, RankingSettings, RecommendSettings, TrainSettings
from pipeline_tasks.settings.notify import NotifySettings
from pipeline_tasks.settings.publishing import CheckSettings, PublishSettings
from pipeline_tasks.settings.report import ReportSettings
from pipeline_tasks.settings.retention import LeaseSettings, RetentionSettings
from pipeline_tasks.settings.rules import RulesSettings, fit_together
from pipeline_tasks.settings.source import Source
from pipeline_tasks.settings.stages import (
    AirflowSettings,
    DatasetSettings,
    FeatureSettings,
    PreprocessSettings,
    QualitySettings,
    SparkSettings,
)

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PREFIX = "NIGHTJAR_"
VERSION_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{12}$"
# keys that say where and how a night runs, not what comes out
PLACES = {"lake", "data", "state", "publish", "airflow", "spark", "notify", "retention", "lease", "report"}
TRAIN_PLACES = {"launcher", "device", "docker", "kubernetes", "als_solver"}
TABLES = ("interactions", "items", "users")
# of paths as Hadoop reads them
PATTERN = "[]{}*?\\"


def config_path() -> Path:
    """The TOML file: NIGHTJAR_CONFIG, or nightjar.toml in the checkout."""
    return Path(os.environ.get("NIGHTJAR_CONFIG", "") or CHECKOUT / "nightjar.toml")


class Settings(BaseSettings):
    """Everything that can be set. Field order is the order of `settings` and of the README's table."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    lake: str = ""
    """file:// or s3:// URI, or a folder; by default lake/ in the checkout, lake-<folder>/ for other data."""
    data: str = "sample"
    """Folder that relative URIs of the source start from."""
    state: Path = Path(".nightjar")
    """Local folder of Feast's registry, online store and copies of features, and of scratch files."""
    seed: int = Field(7, ge=0)
    """Of everything random."""
    source: str = "auto"
    """Which of [sources] to read; auto takes the first whose interactions are found."""
    sources: dict[str, Source] = {}
    """The declared sources."""
    airflow: AirflowSettings = AirflowSettings()
    """The schedule."""
    spark: SparkSettings = SparkSettings()
    """Spark."""
    quality: QualitySettings = QualitySettings()
    """The quality gate."""
    preprocess: PreprocessSettings = PreprocessSettings()
    """Cleaning."""
    features: FeatureSettings = FeatureSettings()
    """Feature snapshots."""
    dataset: DatasetSettings = DatasetSettings()
    """Holdout and ranking examples."""
    train: TrainSettings = TrainSettings()
    """Training."""
    ranking: RankingSettings = RankingSettings()
    """The second stage."""
    evaluate: EvaluateSettings = EvaluateSettings()
    """Who serves."""
    recommend: RecommendSettings = RecommendSettings()
    """Lists."""
    rules: RulesSettings = RulesSettings()
    """Rules over lists."""
    check: CheckSettings = CheckSettings()
    """May the lists go live."""
    publish: PublishSettings = PublishSettings()
    """How tonight's version goes live."""
    notify: NotifySettings = NotifySettings()
    """Who is told."""
    retention: RetentionSettings = RetentionSettings()
    """How much of the lake stays."""
    lease: LeaseSettings = LeaseSettings()
    """Writers that wait for each other."""
    report: ReportSettings = ReportSettings()
    """The morning report."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = TomlConfigSettingsSource(settings_cls, config_path())
        return init_settings, env_settings, file

    @model_validator(mode="after")
    def _spark_is_where_als_needs_it(self) -> Self:
        if self.als_by_spark and self.train.launcher != "process":
            raise ValueError(
                f"train.model names als, which Spark would fit (train.als_solver is {self.train.als_solver}, "
                f"spark.master {self.spark.master}), and train.launcher is {self.train.launcher}, whose image "
                "has no Spark: set train.launcher to process, or train.als_solver to local"
            )
        return self

    @model_validator(mode="after")
    def _rules_fit_lists_and_sources(self) -> Self:
        known = {kind for source in self.sources.values() for kind in source.events}
        fit_together(self.rules, self.recommend, known)
        return self

    @model_validator(mode="after")
    def _enough_users_are_measured(self) -> Self:
        measured, needed = self.evaluate.max_users, self.dataset.holdout_min_users
        if measured < needed:
            raise ValueError(
                f"evaluate.max_users is {measured}, and dataset.holdout_min_users {needed}: no night would have enough "
                f"evidence for a challenger: let the first be {needed} at least"
            )
        return self

    @model_validator(mode="after")
    def _state_is_a_path_to_spark(self) -> Self:
        folder = str((CHECKOUT / self.state).resolve())
        if found := [each for each in PATTERN if each in folder]:
            raise ValueError(
                f"state is in {folder}, and Spark takes {' '.join(found)} in a path for a pattern: name a folder without"
            )
        return self

    @property
    def als_by_spark(self) -> bool:
        """Whether tonight's als is fitted by Spark ML; false where `train.model` does not name it."""
        solver, cluster = self.train.als_solver, not self.spark.is_local
        return "als" in self.train.models and (solver == "spark" or (solver == "auto" and cluster))

    @property
    def data_root(self) -> str:
        """The folder (absolute path or s3:// URI) that relative source URIs start from."""
        return self.data if "://" in self.data else str((CHECKOUT / self.data).resolve())

    @property
    def lake_uri(self) -> str:
        """file:// or s3:// URI of the lake's root, without a slash at the end."""
        named = self.lake or ("lake" if self.data == "sample" else f"lake-{Path(self.data_root).name}")
        if "://" in named:
            return named.rstrip("/")
        return (CHECKOUT / named).resolve().as_uri()

    @property
    def state_dir(self) -> Path:
        """Local folder of this lake's scratch files and of Feast's registry and online store."""
        name = re.sub(r"[^A-Za-z0-9]+", "-", self.lake_uri.split("/")[-1]).strip("-") or "lake"
        mark = hashlib.sha256(self.lake_uri.encode()).hexdigest()[:6]
        return (CHECKOUT / self.state).resolve() / f"{name}-{mark}"

    def results_digest(self) -> str:
        """12 hex digits over the keys that change what a night makes; places and launchers aside."""
        kept = self.model_dump(mode="json", exclude={*PLACES, "train", "sources", "check"})
        kept["check"] = {"availability_hours": self.check.availability_hours}  # the rest judges what is made
        kept["train"] = self.train.model_dump(mode="json", exclude=TRAIN_PLACES)
        if self.evaluate.rule == "estimate":  # what only says how sure a decision is
            del kept["evaluate"]["confidence"], kept["evaluate"]["resamples"]
        kept["rules"].pop("blocked")  # a place: what it says is in the lists
        if not self.rules.declared:
            del kept["rules"]
        if self.als_by_spark:  # its factors start at random numbers of each block
            kept["als_blocks"] = self.spark.shuffle_partitions
        for place in ("feast", "image_weights"):  # an encoder is told by its weights' content
            del kept["features"][place]
        kept["sources"] = {
            name: source.model_dump(mode="json", exclude={"identity": True, **{t: {"uri"} for t in TABLES}})
            for name, source in self.sources.items()
        }
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]
