"""Where a stage puts what it needs for a while: settings in, an empty folder out that is removed at the end."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pipeline_tasks.settings import Settings


@contextmanager
def scratch_folder(settings: Settings) -> Iterator[Path]:
    """Give an empty local folder that is removed at the end."""
    folder = settings.state_dir / "scratch" / uuid4().hex
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
