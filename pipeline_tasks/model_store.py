"""Fitted models in the lake: saved under a version that their content names, and read back; who serves."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import torch

from pipeline_tasks import launching
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Missing, Store
from pipeline_tasks.models.als import Als
from pipeline_tasks.models.caser import Caser
from pipeline_tasks.models.checkpoint import config_bytes, read_state, weights_bytes
from pipeline_tasks.models.ease import Ease
from pipeline_tasks.models.event_types import renumbered
from pipeline_tasks.models.gru4rec import Gru4Rec
from pipeline_tasks.models.interface import Model, State
from pipeline_tasks.models.item_knn import ItemKnn
from pipeline_tasks.models.mf import Mf
from pipeline_tasks.models.ncf import Ncf
from pipeline_tasks.models.popular import Popular
from pipeline_tasks.models.ranker import Ranker
from pipeline_tasks.models.transformer import Transformer
from pipeline_tasks.models.youtube_dnn import YoutubeDnn
from pipeline_tasks.settings import TrainSettings
from pipeline_tasks.training_data import Numbering, TrainingData

KINDS: dict[str, type[Any]] = {
    kind.name: kind
    for kind in (Transformer, Gru4Rec, Caser, YoutubeDnn, Ncf, Mf, Als, Ease, ItemKnn, Popular)
}
AGAIN = "run train for its night again"
WEIGHTS, CONFIG, METRICS = "weights.safetensors", layout.MODEL_CONFIG, "metrics.json"
# before the names of the ranker's tensors
RANKER = "ranker."


@dataclass(frozen=True)
class Saved:
    """A model in the lake: its version, its kind, and the moment (Unix seconds) that it learnt up to.

    `event_types` are the names of the types that it numbers from 1, and `numbering` says whom its integers stand for; none
    where a model was saved without them. `ranker` is that of its second stage, if it has one.
    """

    version: str
    name: str
    cut: int
    state: State
    event_types: tuple[str, ...] = ()
    ranker: State | None = None
    numbering: Numbering | None = None

    def numbers_as(self, data: TrainingData) -> bool:
        """Say whether its integers stand for the same users and items in `data`; where they do not say, they are taken to.

        They may not once the night that it was fitted for was run again in part, after an earlier one.
        """
        own = self.numbering
        return own is None or own == data.numbering(own.users, own.items)

    @property
    def label(self) -> str:
        """What to call it before people."""
        return f"{self.name} with ranking" if self.ranker else self.name

    def load(self, device: torch.device, event_types: Sequence[str]) -> Model:
        """Return the model, ready to score on `device` histories whose types are numbered as `event_types`.

        Raises Refused where its files do not fit together.
        """
        with self._explained():
            state = renumbered(self.state, self.event_types or event_types, event_types)
            model: Model = KINDS[self.name].from_state(state, device)
        return model

    def load_ranker(self, device: torch.device) -> Ranker | None:
        """Return the ranker, ready to score on `device`, if there is one; raises Refused as `load` does."""
        with self._explained():
            return Ranker.from_state(self.ranker, device) if self.ranker else None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            found = " ".join(str(error).split())[:200]
            raise Refused(f"model {self.version} cannot be loaded as {self.name}: {found}", AGAIN) from error


def save(
    store: Store,
    run_date: date,
    model: Model,
    cut: int,
    event_types: Sequence[str],
    ranker: Ranker | None = None,
    numbering: Numbering | None = None,
) -> str:
    """Save a model and return its version, `run_date` and 12 hex digits of its content's SHA-256."""
    state = model.state()
    tensors = dict(state.tensors)
    facts = {"name": model.name, "cut": cut, "event_types": list(event_types), "facts": state.facts}
    if numbering:
        facts["numbering"] = asdict(numbering)
    if ranker:
        second = ranker.state()
        tensors |= {f"{RANKER}{name}": tensor for name, tensor in second.tensors.items()}
        facts["ranker"] = second.facts
    weights, config = weights_bytes(tensors), config_bytes(facts)
    version = f"{run_date}-{hashlib.sha256(weights + config).hexdigest()[:12]}"
    folder = layout.model(version)
    store.write(f"{folder}/{WEIGHTS}", weights)
    store.write(f"{folder}/{METRICS}", config_bytes(state.facts.get("training", {})))
    store.write(f"{folder}/{CONFIG}", config)
    return version


def read(store: Store, version: str) -> Saved:
    """Return a saved model; raises Refused where it is gone or damaged."""
    folder = layout.model(version)
    try:
        return _told(version, read_state(store.read(f"{folder}/{WEIGHTS}"), store.read(f"{folder}/{CONFIG}")))
    except Missing as error:
        raise Refused(f"model {version} is not in {store.uri}", AGAIN) from error
    except (Refused, KeyError, TypeError) as error:
        raise Refused(f"{store.uri}/{folder} holds no whole model: {error}", AGAIN) from error


def _told(version: str, state: State) -> Saved:
    """Return the model of one state that holds both of its stages."""
    tensors, ranker = state.tensors, None
    if "ranker" in state.facts:
        own = {name for name in tensors if name.startswith(RANKER)}
        ranker = State(
            {name.removeprefix(RANKER): tensors[name] for name in sorted(own)}, state.facts["ranker"]
        )
        tensors = {name: tensor for name, tensor in tensors.items() if name not in own}
    first = State(tensors, state.facts["facts"])
    event_types = tuple(state.facts.get("event_types", ()))
    numbers = state.facts.get("numbering")
    numbering = Numbering(**numbers) if numbers else None
    return Saved(version, state.facts["name"], state.facts["cut"], first, event_types, ranker, numbering)


class StoreCheckpoint:
    """A training run's checkpoint as one object of the lake."""

    def __init__(self, store: Store, key: str) -> None:
        self.store, self.key = store, key

    def read(self) -> bytes | None:
        try:
            return self.store.read(self.key)
        except Missing:
            return None

    def write(self, data: bytes) -> None:
        self.store.write(self.key, data)


def read_json(store: Store, key: str, stage: str) -> dict[str, Any]:
    """Return a JSON object of the lake; raises Refused naming the stage that writes it."""
    try:
        content: dict[str, Any] = json.loads(store.read(key))
    except Missing as error:
        raise Refused(f"there is no {store.uri}/{key}", f"run {stage} for this night first") from error
    except ValueError as error:
        raise Refused(f"{store.uri}/{key} is damaged: {error}", f"run {stage} for its night again") from error
    return content


def served(store: Store, decision: dict[str, Any]) -> Saved:
    """Return the model of a night's decision, without its ranker where the decision leaves it out."""
    saved = read(store, decision["model_version"])
    return saved if decision.get("ranking", True) else replace(saved, ranker=None)


def champion_before(store: Store, run_date: date) -> dict[str, Any] | None:
    """Return who served after the newest night before `run_date`; None where a baseline did, or nobody."""
    newest = next(_served_before(store, run_date), None)
    return newest if newest and newest["role"] != "baseline" else None


def champion_of_old(store: Store, run_date: date, name: str, cut: int, data: TrainingData) -> Saved | None:
    """Return the newest model of the kind `name` that served before `run_date` and knows nothing after `cut`.

    Its integers stand for the same as those of `data`.
    """
    for served in _served_before(store, run_date):
        if served["role"] == "baseline":
            continue
        try:
            config = json.loads(store.read(f"{layout.model(served['model_version'])}/{CONFIG}"))
            if config["name"] == name and config["cut"] <= cut:
                saved = read(store, served["model_version"])
                if saved.numbers_as(data):
                    return saved
        except (Missing, Refused, ValueError, KeyError):
            continue  # one that is gone or damaged can be done without
    return None


def _served_before(store: Store, run_date: date) -> Iterator[dict[str, Any]]:
    """Yield what was decided on the nights before `run_date`, the newest first."""
    for key in reversed(store.keys("models/champions/run_date=")):
        if layout.partition_date(key.rpartition("/")[2][:-5]) < run_date:
            yield read_json(store, key, "evaluate")


def torch_device(settings: TrainSettings) -> torch.device:
    """Return where torch computes, and bind its threads; raises Refused for a GPU that is not there."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    gpus, own = torch.cuda.device_count(), launching.local_rank()
    if settings.device == "cuda" and not gpus:
        raise Refused("train.device is cuda, and torch finds no GPU", "set it to auto or cpu")
    if settings.device == "cpu" or not gpus:
        return torch.device("cpu")
    if own >= gpus:
        raise Refused(f"process {own} has no GPU: torch finds {gpus}", "lower train.processes")
    torch.cuda.set_device(own)
    return torch.device("cuda", own)


def torch_precision(settings: TrainSettings, device: torch.device) -> torch.dtype:
    """Return what dense layers are trained in on the device; raises Refused for a GPU without bfloat16."""
    has = device.type == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    if settings.precision == "bfloat16" and not has:
        raise Refused("train.precision is bfloat16, which this GPU does not have", "set it to auto")
    # a CPU's bytes are promised, and few CPUs are faster in bfloat16
    asked = settings.precision == "bfloat16" or (settings.precision == "auto" and device.type == "cuda")
    return torch.bfloat16 if asked and has else torch.float32


def torch_compiles(settings: TrainSettings, device: torch.device) -> bool:
    """Say whether networks are compiled for the device; for a CPU they never are."""
    return settings.torch_compile and device.type == "cuda"
