"""Images by a network of torchvision or timm with weights from a file: pictures in, vectors of length 1 out.

A vector is what the network's classifier would have been given. One picture at a time in one thread: the
numbers then depend neither on its neighbours nor on the cores, and Spark's workers bring the parallelism.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline_tasks.encoders.files import digest_of
from pipeline_tasks.errors import Refused

if TYPE_CHECKING:
    from PIL.Image import Image

ENCODER, WEIGHTS = "features.image_encoder", "features.image_weights"
FORMATS = (".safetensors", ".pth", ".pt", ".bin")
# of a longer picture its middle is taken: scaled to the network's side it would fill the memory
MOST_SIDES = 4


@dataclass(frozen=True)
class NetworkEncoder:
    """Which network, and where its weights lie; it is loaded once in each process that encodes."""

    family: str
    name: str
    weights: Path
    digest: str
    width: int

    def encode(self, image: "Image") -> npt.NDArray[np.float32]:
        """Return (width,), L2-normalized."""
        vector = _features(self.family, self.name, self.weights, image)
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)


def open_network(spec: str, weights: Path) -> NetworkEncoder:
    """Return the encoder for "torchvision:<model>" or "timm:<model>" with the weights in a file, or in a
    folder with one such file. Raises Refused where it cannot be used."""
    from PIL import Image

    family, _, name = spec.partition(":")
    file = _weights_file(weights)
    blank = Image.new("RGB", (64, 64), "gray")
    vector = _features(family, name, file, blank)
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise Refused(
            f"{WEIGHTS}: with {file}, {spec} gives no vector of finite numbers", "the file may be damaged"
        )
    return NetworkEncoder(family, name, file, digest_of(f"{family}-{name}", [("", file)]), len(vector))


def _features(family: str, name: str, weights: Path, image: "Image") -> npt.NDArray[np.float32]:
    network, prepare = _load(family, name, weights)
    width, height = image.size
    side = MOST_SIDES * min(width, height)
    left, top = max(0, width - side) // 2, max(0, height - side) // 2
    image = image.crop((left, top, left + min(width, side), top + min(height, side)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            found: npt.NDArray[np.float32] = network(prepare(image)[None])[0].float().numpy()
    finally:
        torch.set_num_threads(threads)
    return found


@cache
def _load(family: str, name: str, weights: Path) -> "tuple[nn.Module, Callable[[Image], Tensor]]":
    try:
        network, prepare = {"torchvision": _torchvision, "timm": _timm}[family](name)
    except ImportError as error:
        raise Refused(
            f"{ENCODER} is '{family}:{name}', and {family} is not installed ({error})",
            "make setup EXTRAS=image, or set it to descriptors",
        ) from error
    try:
        missing, _ = network.load_state_dict(_read(weights), strict=False)
    except RuntimeError as error:
        raise _foreign(family, name, weights, str(error).splitlines()[-1].strip()) from error
    if missing:
        raise _foreign(family, name, weights, f"{len(missing)} are missing, as {missing[0]}")
    return network.eval(), prepare


def _torchvision(name: str) -> tuple[nn.Module, Any]:
    from torchvision import models

    # those of the package itself classify; others would fetch a backbone
    if name not in models.list_models(module=models):
        raise Refused(f"{ENCODER}: torchvision has no image classifier {name!r}", "as resnet18 or vit_b_16")
    network = models.get_model(name, weights=None)
    linear = [place for place, part in network.named_modules() if isinstance(part, nn.Linear)]
    if not linear:
        raise Refused(f"{ENCODER}: torchvision's {name} has no linear layer to take off", "choose another")
    parent, _, last = linear[-1].rpartition(".")
    setattr(network.get_submodule(parent), last, nn.Identity())
    return network, models.get_model_weights(name).DEFAULT.transforms()


def _timm(name: str) -> tuple[nn.Module, Any]:
    import timm
    from timm.data import create_transform, resolve_data_config

    if not timm.is_model(name):
        raise Refused(f"{ENCODER}: timm has no model {name!r}", "timm.list_models() names them")
    network = timm.create_model(name, pretrained=False, num_classes=0)
    return network, create_transform(**resolve_data_config({}, model=network))


def _weights_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = [each for each in sorted(path.glob("*")) if each.suffix in FORMATS] if path.is_dir() else []
    preferred = [each for each in found if each.suffix == FORMATS[0]] or found
    if len(preferred) != 1:
        held = ", ".join(each.name for each in preferred) or "none"
        raise Refused(
            f"{WEIGHTS}: {path} is no file of weights, nor a folder with one (found {held})",
            f"name a file that ends in {', '.join(FORMATS)}; nothing is downloaded",
        )
    return preferred[0]


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise Refused(f"{WEIGHTS}: {path} cannot be read: {why}", "it may be truncated") from error
    except Exception as error:  # pickle's own, for whatever is more than numbers
        raise Refused(f"{WEIGHTS}: {path} holds more than weights", "save its state_dict alone") from error
    found: dict[str, Tensor] = state.get("state_dict", state)
    return found


def _foreign(family: str, name: str, weights: Path, why: str) -> Refused:
    return Refused(
        f"{WEIGHTS}: {weights} holds no weights of {family}'s {name}: {why}",
        f"name those of this model, or the model that they are of in {ENCODER}",
    )
