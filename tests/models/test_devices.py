"""What training asks of its device, on the CPU: bfloat16, compiling, batches that a thread makes ahead."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from pipeline_tasks.models.batches import Batch
from pipeline_tasks.models.devices import autocast, compiled, few_threads, made_ahead
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.losses import full_softmax
from pipeline_tasks.models.network import Network
from pipeline_tasks.models.transformer import TransformerEncoder
from tests.models.worlds import CONFIGS, TRANSFORMER, checkerboard, colours

CPU = torch.device("cpu")
SEQUENCE_MODELS = ["transformer", "gru4rec", "caser", "youtube_dnn"]


@pytest.mark.parametrize("full_softmax_items", [100, 1])
@pytest.mark.parametrize("name", SEQUENCE_MODELS)
def test_training_in_bfloat16_comes_to_nearly_the_same_loss(name: str, full_softmax_items: int) -> None:
    kind, config = CONFIGS[name]
    config = replace(config, dropout=0.0, epochs=6, full_softmax_items=full_softmax_items, negatives=64)
    losses, states = {}, {}
    for precision in (torch.float32, torch.bfloat16):
        model = kind.fit(checkerboard(60, 20), colours(20), config, Training(3, precision=precision))
        losses[precision] = model.facts["training"]["losses"]
        states[precision] = model.state().tensors
    assert losses[torch.bfloat16] != losses[torch.float32]
    assert losses[torch.bfloat16] == pytest.approx(losses[torch.float32], rel=0.02)
    assert all(tensor.dtype != torch.bfloat16 for tensor in states[torch.bfloat16].values())


def test_the_loss_over_all_items_does_not_lose_digits_under_autocast() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(50, 16, generator=generator).requires_grad_()
    table = torch.randn(400, 16, generator=generator).requires_grad_()
    targets = torch.randint(0, 400, (50,), generator=generator)
    wanted = torch.autograd.grad(F.cross_entropy(hidden @ table.T, targets), (hidden, table))
    with autocast(CPU, torch.bfloat16):
        found = torch.autograd.grad(full_softmax(hidden, table, targets), (hidden, table))
    torch.testing.assert_close(found, wanted)


def network() -> Network:
    torch.manual_seed(0)
    config = replace(TRANSFORMER, blocks=2, dropout=0.0)
    return Network(config, TransformerEncoder, torch.zeros(9, 2), torch.ones(9, dtype=torch.bool))


def events(batch: int, length: int) -> tuple[torch.Tensor, ...]:
    nothing = torch.zeros(batch, length, dtype=torch.int64)
    return torch.randn(batch, length, TRANSFORMER.dim, requires_grad=True), nothing, nothing


def test_the_compiled_network_is_the_network_at_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced as a whole, forward and backward, once for all lengths; no kernels are made, which takes long."""
    traced = partial(torch.compile, fullgraph=True, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", traced)
    plain, said = network(), []
    fast = compiled(plain, events(2, 8), said.append)
    assert (said, fast is plain) == ([], False)
    assert all(parameter.grad is None for parameter in plain.parameters())
    with torch._dynamo.config.patch(error_on_recompile=True):
        for batch, length in ((3, 5), (7, 9), (4, 10)):
            asked = events(batch, length)
            torch.testing.assert_close(fast(*asked), plain(*asked))


def test_where_nothing_compiles_training_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(module: torch.nn.Module, **options: Any) -> Any:
        def call(*inputs: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no C compiler\nand more")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    plain, said = network(), []
    assert compiled(plain, events(2, 8), said.append) is plain
    assert said == ["goes on without torch.compile: RuntimeError: no C compiler"]


def test_a_gpu_trains_beside_few_threads_and_leaves_as_many_as_there_were() -> None:
    for device, threads, inside in (("cuda", 16, 4), ("cuda", 2, 2), ("cpu", 16, 16)):
        torch.set_num_threads(threads)
        with few_threads(torch.device(device)):
            assert torch.get_num_threads() == inside
        assert torch.get_num_threads() == threads


def test_batches_are_made_one_ahead_by_a_thread_in_their_order() -> None:
    made: list[int] = []
    step = threading.Event()

    def batches() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            if number == 1:
                step.set()
            yield number

    ahead = made_ahead(batches())
    assert next(ahead) == 0
    assert step.wait(10)
    assert made == [0, 1]
    assert list(ahead) == [1, 2, 3, 4]


def test_what_fails_in_the_thread_fails_where_batches_are_asked_for() -> None:
    def batches() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    ahead = made_ahead(batches())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_a_loop_that_stops_early_ends_the_thread() -> None:
    before = threading.active_count()
    ahead = made_ahead(iter(range(1_000)))
    next(ahead)
    ahead.close()
    assert threading.active_count() == before


def test_a_moved_batch_keeps_what_is_no_tensor() -> None:
    tensors = [torch.arange(3)] * 9
    batch = Batch(*tensors, share=0.5, events=7)
    moved = batch.moved(lambda tensor: tensor + 1)
    assert (moved.share, moved.events) == (0.5, 7)
    assert moved.used.tolist() == moved.log_expected.tolist() == [1, 2, 3]
