"""RecTools' SASRec with sampled softmax: a job in, every user's list and the speed of training out.

Options: dim, blocks, heads, max_length, negatives, dropout, learning_rate, batch_size; `epochs`, or `seconds`
of wall time, whichever ends first. RecTools trains on a user's newest max_length + 1 events and pads all of
them to that; `tokens_per_second` counts real targets alone, as many in an epoch as users' kept events less one.
"""

import time
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from protocol import Arrays, Job, answer
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools.models import SASRecModel
from rectools_data import dataset, lists_of


class Clock(Callback):
    """Notes how long each epoch took, and how much of the last one was made."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self.batches = 0
        self.begin = 0.0

    def on_train_epoch_start(self, trainer: Any, *_: Any) -> None:
        self.begin = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        self.batches += 1

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        self.epochs.append(time.perf_counter() - self.begin)


def run(job: Job) -> tuple[Arrays, dict[str, Any]]:
    options = job.options
    torch.set_num_threads(options["threads"])
    seed_everything(options["seed"])
    clock = Clock()

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=options.get("epochs", -1),
            max_time=timedelta(seconds=options["seconds"]) if "seconds" in options else None,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[clock],
        )

    model = SASRecModel(
        loss="sampled_softmax",
        n_factors=options["dim"],
        n_blocks=options["blocks"],
        n_heads=options["heads"],
        session_max_len=options["max_length"],
        n_negatives=options["negatives"],
        dropout_rate=options["dropout"],
        lr=options["learning_rate"],
        batch_size=options["batch_size"],
        get_trainer_func=trainer,
        recommend_torch_device="cpu",
    )
    events = dataset(job)
    begin = time.perf_counter()
    model.fit(events)
    seconds = time.perf_counter() - begin
    clock = next(callback for callback in model.fit_trainer.callbacks if isinstance(callback, Clock))
    lists, speed = lists_of(model, events, job)
    return {"lists": lists}, {"train_seconds": seconds, **_pace(job, clock), **speed}


def _pace(job: Job, clock: Clock) -> dict[str, Any]:
    """Return the pace of training, by batches: the last epoch may have been broken off."""
    kept = np.minimum(np.diff(job.arrays["offsets"]), job.options["max_length"] + 1)
    tokens = int(np.maximum(kept - 1, 0).sum())
    batches = -(-int((kept > 1).sum()) // job.options["batch_size"])
    epoch = sum(clock.epochs) / (clock.batches / batches)
    return {
        "epochs": clock.batches / batches,
        "seconds_per_epoch": epoch,
        "tokens_per_second": tokens / epoch,
        "tokens_per_epoch": tokens,
    }


if __name__ == "__main__":
    answer(run)
