"""What the settings ask of each kind of model: settings and what is known of the data in, a configuration out."""

from typing import Any

from pipeline_tasks.models.als import AlsConfig
from pipeline_tasks.models.ease import EaseConfig
from pipeline_tasks.models.item_knn import ItemKnnConfig
from pipeline_tasks.models.mf_fitting import MfConfig
from pipeline_tasks.models.network import SequenceConfig
from pipeline_tasks.models.neumf import NcfConfig
from pipeline_tasks.models.popular import PopularConfig
from pipeline_tasks.settings import Settings, TrainSettings


def model_config(settings: Settings, name: str, weights: tuple[float, ...], cut: int) -> Any:
    """Return the configuration of the model `name`: the settings that are set, else the model's own defaults.

    `weights` are those of the event types (the first is padding's); events before `cut` (Unix seconds) are known.
    """
    wanted, novel = settings.train, settings.recommend.exclude_seen
    if name == "popular":
        return PopularConfig(cut, settings.recommend.popular_days, weights)
    if name == "item_knn":
        return ItemKnnConfig(weights=weights)
    if name == "ease":
        return EaseConfig(l2=wanted.ease_l2, max_items=wanted.ease_max_items, weights=weights)
    if name == "als":
        return AlsConfig(
            dim=wanted.als_dim,
            alpha=wanted.als_alpha,
            regularization=wanted.als_regularization,
            weights=weights,
        )
    if name == "mf":
        return MfConfig(novel_targets=novel, weights=weights, **_same_named(MfConfig, wanted))
    if name == "ncf":
        return NcfConfig(novel_targets=novel, weights=weights, **_same_named(NcfConfig, wanted))
    own = _same_named(SequenceConfig, wanted)
    return SequenceConfig(event_types=len(weights) - 1, novel_targets=novel, **own)


def _same_named(kind: type[Any], wanted: TrainSettings) -> dict[str, Any]:
    """Return the settings that somebody has set, of those that the configuration has fields for."""
    own = kind.__dataclass_fields__.keys() & wanted.model_fields_set
    return {key: getattr(wanted, key) for key in own}
