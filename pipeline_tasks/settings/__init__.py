"""One typed settings object from nightjar.toml and the environment (NIGHTJAR_…, `__` between levels).

The environment goes before the file, the file before the defaults. `load()` raises Refused with one line:
which key, what was found, what is allowed.
"""

import hashlib
import json
import os
import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings.notify import MailSettings, NotifySettings
from pipeline_tasks.settings.publishing import CheckSettings, PublishSettings
from pipeline_tasks.settings.report import ReportSettings
from pipeline_tasks.settings.retention import LeaseSettings, RetentionSettings
from pipeline_tasks.settings.rules import RulesSettings, fit_together
from pipeline_tasks.settings.source import Source, SourceTable, Strategy
from pipeline_tasks.settings.stages import (
    MODEL_PATTERN,
    MODELS,
    AirflowSettings,
    DatasetSettings,
    DockerSettings,
    EvaluateSettings,
    FeatureSettings,
    KubernetesSettings,
    PreprocessSettings,
    QualitySettings,
    RankingSettings,
    RecommendSettings,
    SparkSettings,
    TrainSettings,
)

CHECKOUT = Path(__file__).resolve().parent.parent.parent
__all__ = [
    "CHECKOUT",
    "MODELS",
    "MODEL_PATTERN",
    "VERSION_PATTERN",
    "AirflowSettings",
    "CheckSettings",
    "DatasetSettings",
    "DockerSettings",
    "EvaluateSettings",
    "FeatureSettings",
    "KubernetesSettings",
    "LeaseSettings",
    "MailSettings",
    "NotifySettings",
    "PreprocessSettings",
    "PublishSettings",
    "QualitySettings",
    "RankingSettings",
    "RecommendSettings",
    "ReportSettings",
    "RetentionSettings",
    "RulesSettings",
    "Settings",
    "Source",
    "SourceTable",
    "SparkSettings",
    "Strategy",
    "TrainSettings",
    "load",
    "masked",
    "night_end",
    "parse_run_date",
]

PREFIX = "NIGHTJAR_"
DATE_PATTERN = r"^\d{4}-\d{2}-\d{2}$"
VERSION_PATTERN = r"^\d{4}-\d{2}-\d{2}-[0-9a-f]{12}$"
# environment variables that are not settings: the file to read, what a run is for, and who started it
NOT_SETTINGS = {
    "NIGHTJAR_LAUNCHED_BY",
    "NIGHTJAR_CONFIG",
    "NIGHTJAR_RUN_DATE",
    "NIGHTJAR_VERSION",
    "NIGHTJAR_WHY",
    "NIGHTJAR_FAILED",
    "NIGHTJAR_APPLY",
}
# keys that say where and how a night runs, not what comes out
PLACES = {"lake", "data", "state", "publish", "airflow", "spark", "notify", "retention", "lease", "report"}
# of a key whose value is not to be seen; of sections that hold one, what is found in their place
MASKED = r"secret|password|token|access.?key|credential|webhook|^notify(\.mail)?$"
JSON_HINT = """lists and sections are written as JSON, as '["a", "b"]' or '{"key": "value"}'"""
TRAIN_PLACES = {"launcher", "device", "docker", "kubernetes", "als_solver"}


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


TABLES = ("interactions", "items", "users")


def config_path() -> Path:
    """The TOML file: NIGHTJAR_CONFIG, or nightjar.toml in the checkout."""
    return Path(os.environ.get("NIGHTJAR_CONFIG", "") or CHECKOUT / "nightjar.toml")


def load(**overrides: Any) -> Settings:
    """Return the effective settings; raises Refused where a key or a value is wrong."""
    path = config_path()
    if not path.is_file():
        raise Refused(f"no settings file at {path}", "set NIGHTJAR_CONFIG, or run in the checkout")
    unknown = _unknown_variables()
    if unknown:
        allowed = ", ".join(PREFIX + name.upper() for name in Settings.model_fields)
        raise Refused(f"{unknown[0]} in the environment is no setting", f"allowed first levels: {allowed}")
    try:
        return Settings(**overrides)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path} is not valid TOML: {error}") from error
    except SettingsError as error:
        raise Refused(f"{_malformed(error)} in the environment is not valid JSON", JSON_HINT) from None
    except ValidationError as error:
        raise Refused(explain(error, path)) from None  # its own words hold what was found, a secret too


def _unknown_variables() -> list[str]:
    names = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in NOT_SETTINGS)
    return [n for n in names if n.removeprefix(PREFIX).split("__")[0].lower() not in Settings.model_fields]


def _malformed(error: SettingsError) -> str:
    """Return the variable that could not be read: its value is the document that JSON's own error names."""
    field = re.search(r'field "(\w+)"', str(error))
    first = PREFIX + (field[1].upper() if field else "")
    value = getattr(error.__cause__, "doc", None)
    return next(
        (name for name in sorted(os.environ) if name.startswith(first) and os.environ[name] == value), first
    )


def explain(error: ValidationError, path: Path) -> str:
    """Return one line for the first thing that is wrong: key, found, allowed."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "settings"
    variable = PREFIX + key.upper().replace(".", "__")
    where = f"environment variable {variable}" if variable in os.environ else str(path)
    if first["type"] == "extra_forbidden":
        return f"{key} in {where} is no setting; see `python -m pipeline_tasks settings`"
    message = first["msg"].removeprefix("Value error, ")
    value = "***" if re.search(MASKED, key, re.IGNORECASE) else _mask(key, first["input"])
    found = "" if first["type"] == "value_error" else f" (found {value!r})"
    return f"{key} in {where}: {message}{found}"


def parse_run_date(text: str) -> date:
    """Return the night named by `text` (YYYY-MM-DD); raises Refused when it is malformed."""
    if not re.match(DATE_PATTERN, text):
        raise Refused(f"run_date {text!r} is malformed", "write it as YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"run_date {text!r} is no day of the calendar", "write it as YYYY-MM-DD") from error


def night_end(run_date: date) -> datetime:
    """The cut of the night: events before this moment (UTC) are known."""
    return datetime(run_date.year, run_date.month, run_date.day, tzinfo=UTC) + timedelta(days=1)


def masked(settings: Settings) -> dict[str, Any]:
    """Return the effective settings for printing: values that look like secrets are replaced by '***'."""
    return {key: _mask(key, value) for key, value in settings.model_dump(mode="json").items()}


def _mask(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _mask(name, inner) for name, inner in value.items()}
    if re.search(MASKED, key, re.IGNORECASE):
        return "***" if value else value
    if isinstance(value, str):
        return re.sub(r"(://[^/:@]+:)[^/@]+@", r"\1***@", value)
    return value
