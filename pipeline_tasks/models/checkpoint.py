"""Models and training runs as bytes and back: safetensors, with everything that is no tensor as JSON inside."""

import hashlib
import json
from typing import Any, TypeVar

import numpy as np
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from pipeline_tasks.errors import Refused
from pipeline_tasks.models.interface import State

Config = TypeVar("Config")
# One key only: safetensors writes several in any order, and equal models must be equal bytes.
FACTS = "facts"


def weights_bytes(tensors: dict[str, Tensor]) -> bytes:
    """Return the tensors as safetensors; equal tensors give equal bytes."""
    data: bytes = save_tensors({name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)})
    return data


def config_bytes(facts: dict[str, Any]) -> bytes:
    """Return what is no tensor as JSON; equal facts give equal bytes."""
    return json.dumps(facts, sort_keys=True, indent=1, ensure_ascii=False).encode()


def config_of(kind: type[Config], facts: dict[str, Any]) -> Config:
    """Return the configuration, a dataclass, of a model's facts; JSON has lists where it has tuples."""
    named = facts["config"].items()
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in named})


def read_state(weights: bytes, config: bytes) -> State:
    """Return the model behind the bytes of its two files; raises Refused where they are damaged."""
    try:
        return State(load_tensors(weights), json.loads(config))
    except Exception as error:
        raise Refused(f"the model's files are damaged: {error}") from error


def pack(state: State) -> bytes:
    """Return a state as one object, so that it is written whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    data: bytes = save_tensors(tensors, metadata={FACTS: json.dumps(state.facts)})
    return data


def unpack(data: bytes) -> State:
    """Return what `pack` was given; raises Refused where the bytes are damaged."""
    try:
        header = int.from_bytes(data[:8], "little")
        facts = json.loads(data[8 : 8 + header])["__metadata__"][FACTS]
        return State(load_tensors(data), json.loads(facts))
    except Exception as error:
        raise Refused(f"the checkpoint is damaged: {error}") from error


def fingerprint(*parts: Any) -> str:
    """Return a digest of arrays, tensors and JSON-able values: the same for the same content."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            part = part.detach().cpu().numpy()
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()
