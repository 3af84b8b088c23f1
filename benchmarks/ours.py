"""One of our models on a benchmark's data: the command line's wishes in, a fitted model and its cost out."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from pipeline_tasks import settings
from pipeline_tasks.model_configs import model_config
from pipeline_tasks.model_store import KINDS, torch_compiles, torch_device, torch_precision
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.interface import Model, Training


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what every benchmark of a model on a file of sequences takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--sequences", type=Path, required=True, help="one user a line: user item item …")
    parser.add_argument("--item-text", type=Path, help="TSV: item, …, text")
    parser.add_argument("--item-attributes", type=Path, help="JSON: item to a list of attribute ids")
    parser.add_argument("--model", choices=sorted(KINDS), default="transformer")
    add_fit_arguments(parser)
    return parser


def add_times(parser: argparse.ArgumentParser) -> None:
    """Add the moments of the events, for models that use them."""
    parser.add_argument("--times", type=Path, help="the sequences' shape, Unix seconds in place of items")


def add_fit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every fit takes."""
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves it alone")
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        help="train settings, for instance dim=128; of a peer its options, as JSON: seconds=300",
    )


def fitted(
    asked: argparse.Namespace, known: Histories, catalogue: Catalogue, cut: int | None = None
) -> tuple[Model, dict[str, Any]]:
    """Return the model that was asked for, and what its fit took; epochs count with their validation.

    A model that makes no epochs made one pass. `--set device=cuda` and `precision` are heard as at night.
    `cut` (Unix seconds) is the moment up to which events are known. Without one, what is asked for is each user's
    very next event, be it of the same day, and the order of a day's events counts.
    """
    changed: dict[str, Any] = dict(pair.split("=", 1) for pair in asked.set)
    changed.setdefault("threads", asked.threads)
    if cut is None:
        changed.setdefault("mixed_days", False)
        cut = int(known.times.max()) + 1
    wanted = settings.load(train=changed)
    config = model_config(wanted, asked.model, (0.0, 1.0), cut)
    device = torch_device(wanted.train)
    training = Training(
        asked.seed,
        device,
        precision=torch_precision(wanted.train, device),
        compiled=torch_compiles(wanted.train, device),
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    started = time.monotonic()
    model: Model = KINDS[asked.model].fit(known, catalogue, config, training)
    seconds = time.monotonic() - started
    epochs = model.state().facts.get("training", {}).get("epoch", 0)
    return model, {
        "device": device.type,
        "train_seconds": round(seconds, 1),
        "epochs": epochs,
        **pace(known, seconds, max(1, epochs)),
    }


def pace(known: Histories, seconds: float, epochs: int) -> dict[str, float]:
    """Return seconds an epoch and targets a second; a user's first event is no target."""
    targets = (len(known.items) - len(known)) * epochs
    return {
        "seconds_per_epoch": round(seconds / epochs, 2),
        "tokens_per_second": round(targets / max(seconds, 1e-9)),
    }
