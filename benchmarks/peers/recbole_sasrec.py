"""RecBole's SASRec with cross-entropy over all items: a job in, every user's list and the speed of training out.

Options: dim, blocks, heads, max_length, dropout, learning_rate, batch_size (targets, each with a history of its own);
`epochs`, or `seconds` of wall time, whichever ends first. RecBole trains on every event but a user's first, and pads
the history before it to max_length; `tokens_per_second` counts these targets.
"""

import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from protocol import Arrays, Job, answer, empty_lists
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.dataloader import TrainDataLoader
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed

USERS_AT_ONCE = 512
# where each of the job's options goes, and what is always so
NAMES = {
    "dim": "hidden_size",
    "blocks": "n_layers",
    "heads": "n_heads",
    "max_length": "MAX_ITEM_LIST_LENGTH",
    "learning_rate": "learning_rate",
    "batch_size": "train_batch_size",
    "seed": "seed",
}
FIXED: dict[str, Any] = {
    "loss_type": "CE",
    "train_neg_sample_args": None,
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "eval_args": {"split": {"RS": [1, 0, 0]}, "group_by": "user", "order": "TO", "mode": "full"},
    "use_gpu": False,
    "show_progress": False,
    "state": "WARNING",
}


class TimeIsUp(Exception):
    """Ends an epoch in its middle."""


def run(job: Job) -> tuple[Arrays, dict[str, Any]]:
    torch.set_num_threads(job.options["threads"])
    # RecBole writes logs where it is run
    with tempfile.TemporaryDirectory(prefix="recbole-") as folder, contextlib.chdir(folder):
        config = _config(job, Path(folder))
        init_seed(config["seed"], config["reproducibility"])
        begin = time.perf_counter()
        data = create_dataset(config)
        targets = data.build()[0]
        batches = TrainDataLoader(config, targets, None, shuffle=True)
        model = SASRec(config, targets)
        pace = _train(job, model, Trainer(config, model), batches)
        seconds = time.perf_counter() - begin
    tokens = data.field2id_token["item_id"]
    lists, speed = _lists(job, model, np.array([0, *map(int, tokens[1:])]))
    return {"lists": lists}, {"train_seconds": seconds, **pace, **speed}


def _config(job: Job, folder: Path) -> Config:
    """Write the events as RecBole's files, an event's number in its history as its time; say all that it asks."""
    place = np.arange(len(job.arrays["items"])) - job.arrays["offsets"][job.row_of_event]
    events = {
        "user_id:token": job.row_of_event,
        "item_id:token": job.arrays["items"],
        "timestamp:float": place,
    }
    (folder / "job").mkdir()
    pd.DataFrame(events).to_csv(folder / "job" / "job.inter", sep="\t", index=False)
    options = {name: job.options[own] for own, name in NAMES.items()}
    dropout = dict.fromkeys(["hidden_dropout_prob", "attn_dropout_prob"], job.options["dropout"])
    paths = {"data_path": str(folder), "checkpoint_dir": str(folder / "saved")}
    wanted = {**FIXED, **options, **dropout, **paths, "inner_size": 4 * job.options["dim"]}
    return Config(model="SASRec", dataset="job", config_dict=wanted)


def _train(job: Job, model: SASRec, trainer: Trainer, batches: TrainDataLoader) -> dict[str, Any]:
    """Train until the epochs or the seconds are over; return the pace, by batches."""
    begin, made = time.perf_counter(), 0

    def loss(batch: Interaction) -> torch.Tensor:
        nonlocal made
        if time.perf_counter() - begin > job.options.get("seconds", np.inf):
            raise TimeIsUp
        made += 1
        return model.calculate_loss(batch)

    try:
        for epoch in range(job.options.get("epochs", 1_000_000)):
            trainer._train_epoch(batches, epoch, loss)
    except TimeIsUp:
        pass
    epochs, tokens = made / len(batches), int(np.maximum(np.diff(job.arrays["offsets"]) - 1, 0).sum())
    epoch = (time.perf_counter() - begin) / epochs
    return {
        "epochs": epochs,
        "seconds_per_epoch": epoch,
        "tokens_per_second": tokens / epoch,
        "tokens_per_epoch": tokens,
    }


@torch.inference_mode()
def _lists(job: Job, model: SASRec, ours: NDArray[np.int64]) -> tuple[NDArray[np.int32], dict[str, float]]:
    """Return (rows, k) best unseen items of every user (0: no more), and how fast they came; `ours` are the items of
    RecBole's numbers."""
    model.eval()
    begin = time.perf_counter()
    offsets, k = job.arrays["offsets"], job.options["k"]
    theirs = np.zeros(job.options["n_items"] + 1, np.int64)
    theirs[ours] = np.arange(len(ours))
    items, lists = theirs[job.arrays["items"]], empty_lists(job.rows, k)
    for first in range(0, job.rows, USERS_AT_ONCE):
        rows = range(first, min(first + USERS_AT_ONCE, job.rows))
        scores = model.full_sort_predict(_newest(job, items, rows))
        scores[:, 0] = -torch.inf
        for place, row in enumerate(rows):
            scores[place, items[offsets[row] : offsets[row + 1]]] = -torch.inf
        best = scores.topk(min(k, scores.shape[1]))
        found = np.where(best.values > -torch.inf, ours[best.indices], 0)
        lists[first : first + len(rows), : found.shape[1]] = found
    return lists, {"users_per_second": job.rows / (time.perf_counter() - begin)}


def _newest(job: Job, items: NDArray[np.int64], rows: range) -> Interaction:
    """Return the newest max_length events of the rows, padded behind."""
    offsets, length = job.arrays["offsets"], job.options["max_length"]
    histories = np.zeros((len(rows), length), np.int64)
    lengths = np.ones(len(rows), np.int64)  # one without events is asked after a padding
    for place, row in enumerate(rows):
        newest = items[offsets[row] : offsets[row + 1]][-length:]
        histories[place, : len(newest)] = newest
        lengths[place] = max(1, len(newest))
    return Interaction(
        {"item_id_list": torch.from_numpy(histories), "item_length": torch.from_numpy(lengths)}
    )


if __name__ == "__main__":
    answer(run)
