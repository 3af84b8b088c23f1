"""A night from a terminal, each stage a process of its own, on an S3 lake."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import CHECKOUT
from tests.end_to_end.conftest import END, environment


def test_a_night_from_the_terminal_on_s3_is_the_same_version_as_on_a_local_lake(
    s3_lake: Any, shop: Path, quick: dict[str, Any], tmp_path: Path, nights: Any
) -> None:
    env = environment(quick, shop, s3_lake.uri, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline_tasks", "nightly", "--run-date", str(END)],
        env=env,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("ingest", "train", "publish", "outcome"):
        assert f"  {stage}" in done.stdout
    entry = json.loads(s3_lake.read("recommendations/current.json"))
    assert entry["version"] in done.stdout
    _, local, _ = nights
    first = json.loads(local.read("recommendations/log/0000000001.json"))
    assert (entry["version"], entry["run_date"]) == (first["version"], str(END))
    assert "Traceback" not in done.stdout + done.stderr
