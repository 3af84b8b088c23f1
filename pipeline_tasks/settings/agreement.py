"""Settings of two machines: who starts a stage elsewhere says what its results are made with; the stage compares.

A pod has the settings file of its image, which stays as it was built while the launcher's own goes on changing.
"""

import os

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings.effective import Settings
from pipeline_tasks.settings.models import TrainSettings

AGREED = "NIGHTJAR_AGREED"


def agreed(settings: Settings) -> dict[str, str]:
    """Return the environment by which a stage that is started elsewhere knows the settings of its launcher."""
    return {AGREED: _digest(settings)}


def require_agreement(settings: Settings) -> None:
    """Raise Refused where this stage's results would be made with other settings than its launcher has."""
    wanted = os.environ.get(AGREED)
    if wanted not in (None, _digest(settings)):
        raise Refused(
            "the settings file of this image is not the launcher's: results would be made with other settings",
            "build the image anew, with the nightjar.toml and the code that Airflow has",
        )


def _digest(settings: Settings) -> str:
    """Return the digest of what results are made with, but for the model, which each run may name."""
    train = settings.train.model_copy(update={"model": TrainSettings.model_fields["model"].default})
    return settings.model_copy(update={"train": train}).results_digest()
