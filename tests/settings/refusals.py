"""What loading the settings refuses with."""

import pytest

from pipeline_tasks import settings
from pipeline_tasks.errors import Refused


def refusal() -> str:
    with pytest.raises(Refused) as caught:
        settings.load()
    text = str(caught.value)
    assert "\n" not in text
    return text
