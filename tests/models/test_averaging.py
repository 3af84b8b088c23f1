import torch
from torch import nn

from pipeline_tasks.models.averaging import DECAY, Averages


def test_the_mean_is_the_papers() -> None:
    module = nn.Linear(3, 2, bias=False)
    averages, mean = Averages(module), torch.zeros(2, 3)
    generator = torch.Generator().manual_seed(1)
    for step in range(1, 30):
        with torch.no_grad():
            module.weight.copy_(torch.randn(2, 3, generator=generator))
        averages.add(step)
        # the first step's share is 1: how the module began is forgotten
        newest = (DECAY + 1) / (step + DECAY)
        mean = (1 - newest) * mean + newest * module.weight.detach()
    torch.testing.assert_close(averages.tensors[0], mean)


def test_a_module_is_its_mean_for_a_while_only() -> None:
    module = nn.Linear(2, 1)
    averages = Averages(module)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    place = module.weight.data_ptr()
    with torch.no_grad():
        module.weight.add_(1.0)
    with averages.in_place():
        assert torch.equal(module.weight, before["weight"])
        assert module.weight.data_ptr() == place
    assert torch.equal(module.weight, before["weight"] + 1.0)
    assert torch.equal(averages.tensors[0], before["weight"])
