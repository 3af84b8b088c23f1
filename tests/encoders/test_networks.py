"""Images by networks whose weights lie in a file: made at random here, for what they tell is not the point."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline_tasks.encoders.images import open_image
from pipeline_tasks.encoders.networks import open_network
from pipeline_tasks.errors import Refused
from tests.encoders.pictures import picture

SMALL = {"torchvision": "shufflenet_v2_x0_5", "timm": "test_resnet"}


def needs(family: str) -> Any:
    return pytest.importorskip(family, reason=f"make setup EXTRAS=image installs {family}")


def make_network(family: str) -> torch.nn.Module:
    torch.manual_seed(7)
    if family == "timm":
        network: torch.nn.Module = needs("timm").create_model(SMALL["timm"], pretrained=False)
    else:
        network = needs("torchvision").models.get_model(SMALL["torchvision"], weights=None)
    return network


def refusal(spec: str, weights: Path) -> str:
    with pytest.raises(Refused) as refused:
        open_network(spec, weights)
    assert refused.value.hint
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("family", SMALL)
def test_a_network_makes_unit_vectors_of_what_its_classifier_would_see(family: str, tmp_path: Path) -> None:
    state = make_network(family).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    torch.save(state, tmp_path / "weights.pth")
    encoder = open_network(f"{family}:{SMALL[family]}", tmp_path)
    red, blue = (encoder.encode(open_image(picture(name, striped=True))) for name in ("red", "blue"))
    assert red.shape == (encoder.width,)
    assert encoder.width != 1000
    assert np.linalg.norm(red) == pytest.approx(1.0, abs=1e-5)
    assert not np.array_equal(red, blue)
    pickled = open_network(f"{family}:{SMALL[family]}", tmp_path / "weights.pth")
    again = pickled.encode(open_image(picture("red", striped=True)))
    assert again.tobytes() == red.tobytes()
    assert torch.get_num_threads() > 0


def test_weights_are_told_by_their_content(tmp_path: Path) -> None:
    state = make_network("torchvision").state_dict()
    for name in ("a", "b"):
        save_file(state, tmp_path / f"{name}.safetensors")
    save_file({key: value * 2 for key, value in state.items()}, tmp_path / "c.safetensors")
    spec = f"torchvision:{SMALL['torchvision']}"
    first, second, third = (open_network(spec, tmp_path / f"{name}.safetensors").digest for name in "abc")
    assert first == second != third


def test_a_picture_of_any_shape_has_a_vector(tmp_path: Path) -> None:
    save_file(make_network("torchvision").state_dict(), tmp_path / "model.safetensors")
    encoder = open_network(f"torchvision:{SMALL['torchvision']}", tmp_path)
    for size in ((1, 20_000), (20_000, 1), (1, 1), (3, 500)):
        assert np.isfinite(encoder.encode(Image.new("RGB", size, "red"))).all()


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    spec, file = f"torchvision:{SMALL['torchvision']}", tmp_path / "model.safetensors"
    state = make_network("torchvision").state_dict()
    cut = dict(list(state.items())[5:])
    save_file(cut, file)
    assert "holds no weights of torchvision's shufflenet_v2_x0_5: 5 are missing" in refusal(spec, file)
    save_file({**state, "conv1.0.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    assert "holds no weights of" in refusal(spec, tmp_path / "other.safetensors")
    save_file({**state, "conv1.0.weight": state["conv1.0.weight"] * torch.nan}, tmp_path / "nan.safetensors")
    assert "gives no vector of finite numbers" in refusal(spec, tmp_path / "nan.safetensors")


class Trap:
    def __reduce__(self) -> Any:
        return (print, ("a pickle ran",))


def test_files_that_hold_no_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs("torchvision")
    spec = f"torchvision:{SMALL['torchvision']}"
    assert "is no file of weights" in refusal(spec, tmp_path / "gone.safetensors")
    assert "(found none)" in refusal(spec, tmp_path)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(b"\x10\x00\x00")
    assert "cannot be read" in refusal(spec, torn)
    torch.save({"weights": Trap()}, tmp_path / "trap.pth")
    assert "holds more than weights" in refusal(spec, tmp_path / "trap.pth")
    assert "a pickle ran" not in capsys.readouterr().out
    (tmp_path / "more.safetensors").write_bytes(b"")
    assert "found more.safetensors, torn.safetensors" in refusal(spec, tmp_path)


@pytest.mark.parametrize("family", SMALL)
def test_a_model_that_the_library_does_not_have_is_refused(family: str, tmp_path: Path) -> None:
    needs(family)
    file = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, file)
    assert "has no" in refusal(f"{family}:nonsuch", file)
    assert "has no" in refusal(f"{family}:fasterrcnn_resnet50_fpn", file)


@pytest.mark.parametrize("family", SMALL)
def test_without_the_library_the_setting_is_refused(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, family, None)
    file = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, file)
    said = refusal(f"{family}:other_{tmp_path.name}", file)
    assert said.startswith("features.image_encoder is '" + family)
    assert "make setup EXTRAS=image" in said
