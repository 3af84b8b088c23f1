"""Where a model is trained and in what precision: the settings and the machine decide, and what cannot be is refused."""

import pytest
import torch

from pipeline_tasks.errors import Refused
from pipeline_tasks.model_store import torch_device, torch_precision
from pipeline_tasks.settings import TrainSettings

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("asked", "device", "gpu_has_it", "found"),
    [
        ("auto", CPU, True, torch.float32),
        ("bfloat16", CPU, False, torch.bfloat16),
        ("auto", GPU, True, torch.bfloat16),
        ("auto", GPU, False, torch.float32),
        ("float32", GPU, True, torch.float32),
    ],
)
def test_precision_is_the_machines_unless_it_is_set(asked, device, gpu_has_it, found, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: gpu_has_it)
    assert torch_precision(TrainSettings(precision=asked), device) == found


def test_bfloat16_on_a_gpu_without_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    with pytest.raises(Refused, match=r"train\.precision is bfloat16"):
        torch_precision(TrainSettings(precision="bfloat16"), GPU)


def test_each_process_has_a_gpu_of_its_own_or_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    for rank in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert torch_device(TrainSettings()) == torch.device("cuda", int(rank))
    assert taken == [0, 1]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(Refused, match=r"process 2 has no GPU: torch finds 2 \(lower train\.processes\)"):
        torch_device(TrainSettings())
    assert torch_device(TrainSettings(device="cpu")) == CPU
