"""Nights on a lake of their own: a source's files and changed settings in; stages run as every night, their lake out."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pipeline_tasks import settings
from pipeline_tasks.lake import records
from pipeline_tasks.lake.local import LocalStore


@dataclass(frozen=True)
class Nights:
    """Nights of the files in `data`, with their lake in `folder`; `changed` are settings: {"train.epochs": "5"}."""

    data: str
    folder: Path
    changed: Mapping[str, str] = field(default_factory=dict)

    @property
    def lake(self) -> LocalStore:
        return LocalStore(self.folder / "lake")

    def settings(self) -> settings.Settings:
        """Return what the nights run by, but for their places."""
        sections: dict[str, Any] = {}
        for key, value in self.changed.items():
            section, _, name = key.rpartition(".")
            (sections.setdefault(section, {}) if section else sections)[name] = value
        return settings.load(**sections)

    def run(self, night: date, upto: str) -> None:
        """Run the night's stages up to and with `upto`; raises SystemExit where one fails."""
        for stage in records.STAGES[: records.STAGES.index(upto) + 1]:
            command = [sys.executable, "-m", "pipeline_tasks", stage, "--run-date", str(night)]
            done = subprocess.run(
                command,
                cwd=settings.CHECKOUT,
                env={**os.environ, **self._environment()},
                stdout=subprocess.PIPE,
                check=False,
            )
            if done.returncode:
                raise SystemExit(f"{stage} of {night} ended with {done.returncode}")

    def facts(self, night: date, stage: str) -> dict[str, Any]:
        """Return what the stage told of the night."""
        record = records.read(self.lake, night, stage)
        assert record is not None
        return record.report.facts

    def _environment(self) -> dict[str, str]:
        state = str(self.folder / "state")
        wanted = {**self.changed, "data": self.data, "lake": self.lake.uri, "state": state}
        return {f"{settings.PREFIX}{key.upper().replace('.', '__')}": value for key, value in wanted.items()}
