"""One typed settings object from nightjar.toml and the environment (NIGHTJAR_…, `__` between levels).

The environment goes before the file, the file before the defaults. `load()` raises Refused with one line:
which key, what was found, what is allowed.
"""

from pipeline_tasks.settings.agreement import agreed, require_agreement
from pipeline_tasks.settings.effective import CHECKOUT, PREFIX, VERSION_PATTERN, Settings, config_path
from pipeline_tasks.settings.loading import load
from pipeline_tasks.settings.masking import masked
from pipeline_tasks.settings.models import (
    MODEL_PATTERN,
    MODELS,
    DockerSettings,
    EvaluateSettings,
    KubernetesSettings,
    RankingSettings,
    RecommendSettings,
    TrainSettings,
)
from pipeline_tasks.settings.night import DATE_PATTERN, night_end, parse_run_date, refuse_unfinished
from pipeline_tasks.settings.notify import MailSettings, NotifySettings
from pipeline_tasks.settings.publishing import CheckSettings, PublishSettings
from pipeline_tasks.settings.report import ReportSettings
from pipeline_tasks.settings.retention import LeaseSettings, RetentionSettings
from pipeline_tasks.settings.rules import RulesSettings
from pipeline_tasks.settings.source import Source, SourceTable, Strategy
from pipeline_tasks.settings.stages import (
    AirflowSettings,
    DatasetSettings,
    FeatureSettings,
    PreprocessSettings,
    QualitySettings,
    SparkSettings,
)

__all__ = [
    "CHECKOUT",
    "DATE_PATTERN",
    "MODELS",
    "MODEL_PATTERN",
    "PREFIX",
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
    "agreed",
    "config_path",
    "load",
    "masked",
    "night_end",
    "parse_run_date",
    "refuse_unfinished",
    "require_agreement",
]
