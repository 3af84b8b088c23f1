"""What the settings ask of each kind of model: settings and what is known of the data in, a configuration out."""

from typing import Any

from pipeline_tasks.models.item_knn import ItemKnnConfig
from pipeline_tasks.models.network import SequenceConfig
from pipeline_tasks.models.popular import PopularConfig
from pipeline_tasks.settings import Settings


def model_config(settings: Settings, name: str, weights: tuple[float, ...], cut: int) -> Any:
    """Return the configuration of the model `name`.

    `weights` are those of the event types (the first is padding's); events before `cut` (Unix seconds) are known.
    """
    if name == "popular":
        return PopularConfig(cut, settings.recommend.popular_days, weights)
    if name == "item_knn":
        return ItemKnnConfig(weights=weights)
    own = SequenceConfig.__dataclass_fields__.keys() & type(settings.train).model_fields.keys()
    return SequenceConfig(
        event_types=len(weights) - 1,
        novel_targets=settings.recommend.exclude_seen,
        **{key: getattr(settings.train, key) for key in own},
    )
