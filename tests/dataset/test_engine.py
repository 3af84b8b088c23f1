"""Queries give the same bytes on every machine."""

import os
import subprocess
import sys

from tests.conftest import CHECKOUT

MOMENT = """
from pathlib import Path
from pipeline_tasks.dataset.engine import open_engine

with open_engine(Path(), "100MB") as engine:
    print(engine.sql("SELECT 'joined_at=' || to_timestamp(0)").fetchall()[0][0])
"""


def test_a_moment_as_a_text_does_not_ask_where_the_machine_is() -> None:
    there = {**os.environ, "TZ": "America/Los_Angeles"}
    said = subprocess.run(
        [sys.executable, "-c", MOMENT], cwd=CHECKOUT, env=there, capture_output=True, text=True, check=True
    )
    assert said.stdout == "joined_at=1970-01-01 00:00:00+00\n"
