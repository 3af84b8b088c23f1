"""Fitted models in the lake: saved under a version that their content names, and read back; who serves."""

import hashlib
import json
from dataclasses import dataclass
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
from pipeline_tasks.models.gru4rec import Gru4Rec
from pipeline_tasks.models.interface import Model, State
from pipeline_tasks.models.item_knn import ItemKnn
from pipeline_tasks.models.mf import Mf
from pipeline_tasks.models.ncf import Ncf
from pipeline_tasks.models.popular import Popular
from pipeline_tasks.models.transformer import Transformer
from pipeline_tasks.models.youtube_dnn import YoutubeDnn
from pipeline_tasks.settings import TrainSettings

KINDS: dict[str, type[Any]] = {
    kind.name: kind
    for kind in (Transformer, Gru4Rec, Caser, YoutubeDnn, Ncf, Mf, Als, Ease, ItemKnn, Popular)
}
WEIGHTS, CONFIG, METRICS = "weights.safetensors", "config.json", "metrics.json"


@dataclass(frozen=True)
class Saved:
    """A model in the lake: its version, its kind, and the moment (Unix seconds) that it learnt up to."""

    version: str
    name: str
    cut: int
    state: State

    def load(self, device: torch.device) -> Model:
        """Return the model, ready to score on `device`."""
        model: Model = KINDS[self.name].from_state(self.state, device)
        return model


def save(store: Store, run_date: date, model: Model, cut: int) -> str:
    """Save a model and return its version, `run_date` and 12 hex digits of its content's SHA-256."""
    state = model.state()
    weights = weights_bytes(state.tensors)
    config = config_bytes({"name": model.name, "cut": cut, "facts": state.facts})
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
        state = read_state(store.read(f"{folder}/{WEIGHTS}"), store.read(f"{folder}/{CONFIG}"))
    except Missing as error:
        raise Refused(f"model {version} is not in {store.uri}", "run train for its night again") from error
    return Saved(version, state.facts["name"], state.facts["cut"], State(state.tensors, state.facts["facts"]))


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

    def remove(self) -> None:
        self.store.delete([self.key])


def read_json(store: Store, key: str, stage: str) -> dict[str, Any]:
    """Return a JSON object of the lake; raises Refused naming the stage that writes it."""
    try:
        content: dict[str, Any] = json.loads(store.read(key))
    except Missing as error:
        raise Refused(f"there is no {store.uri}/{key}", f"run {stage} for this night first") from error
    return content


def champion_before(store: Store, run_date: date) -> dict[str, Any] | None:
    """Return who served after the newest night before `run_date`; None where a baseline did, or nobody."""
    keys = store.keys("models/champions/run_date=")
    earlier = [key for key in keys if layout.partition_date(key.rpartition("/")[2][:-5]) < run_date]
    if not earlier:
        return None
    found = read_json(store, earlier[-1], "evaluate")
    return found if found["role"] != "baseline" else None


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
