"""What the parts of check share: a night's settings and date, its lake, and a folder for what it makes."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings import Settings


@dataclass(frozen=True)
class Work:
    """A night to check; `scratch` is a local folder that goes at the end."""

    settings: Settings
    run_date: date
    store: Store
    scratch: Path
