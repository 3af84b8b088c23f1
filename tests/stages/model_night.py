"""A night from training tables to staged lists, short."""

from datetime import date
from typing import Any

import pandas as pd

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.stages import evaluate, recommend, train
from tests.training_night import NIGHT

N = 5


QUICK: dict[str, Any] = {
    "train": {
        "dim": 16,
        "epochs": 8,
        "batch_events": 64,
        "learning_rate": 0.01,
        "dropout": 0.0,
        "device": "cpu",
    },
    "evaluate": {"tolerance": 0.5},
    "recommend": {"n": N, "spares": 3, "files": 2, "popular": 6, "similar": 4, "block_users": 16},
    "dataset": {"holdout_min_users": 10},
}


def run_all(settings: Any, night: date = NIGHT) -> dict[str, Any]:
    return {
        stage.__name__.rpartition(".")[2]: stage.run(settings, night)
        for stage in (train, evaluate, recommend)
    }


def staged(lake: Any, table: str, night: date = NIGHT) -> pd.DataFrame:
    return tables.read_table(lake, layout.night(f"staged/{table}", night), "recommend").to_pandas()


def histories(lake: Any, night: date = NIGHT) -> dict[str, list[str]]:
    rows = tables.read_table(lake, layout.night("training/sequences", night), "dataset").to_pylist()
    return {f"u{row['user_index']:03d}": [f"i{item:02d}" for item in row["items"]] for row in rows}
