"""What a GPU makes of the same work: the CPU's losses, lists and orders, compiled, and back from its checkpoints.

`test_every_model.py` fits every model on a GPU as well. All of it is skipped where torch finds none.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.models.devices import memory_explained
from pipeline_tasks.models.fitting import Fitting
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.losses import full_softmax, hits_among, sampled_softmax
from pipeline_tasks.models.network import Network
from pipeline_tasks.models.ranker import Ranker
from pipeline_tasks.models.transformer import TransformerEncoder
from pipeline_tasks.ranking import shelf
from pipeline_tasks.ranking.blocks import rank_similar, rank_users
from pipeline_tasks.ranking.rerank import Reranker, rank_lists, standing
from tests.models import test_ranker
from tests.models.test_losses import some
from tests.models.test_resuming import Kept
from tests.models.worlds import CONFIGS, checkerboard, colours
from tests.ranking import test_blocks, test_rerank, test_top_k

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
GPU = torch.device("cuda", 0)
SEQUENCE_MODELS = ["transformer", "gru4rec", "caser", "youtube_dnn"]


def moved(model: test_blocks.Vectors) -> Any:
    """Return the model with its vectors on the GPU."""
    model.users, model.items = model.users.to(GPU), model.items.to(GPU)
    return model


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("full_softmax_items", [100, 1])
@pytest.mark.parametrize("name", SEQUENCE_MODELS)
def test_training_comes_to_nearly_the_losses_of_a_cpu(
    name: str, full_softmax_items: int, precision: torch.dtype, compiled: bool
) -> None:
    kind, config = CONFIGS[name]
    size = full_softmax_items
    config = replace(config, dropout=0.0, id_dropout=0.0, epochs=6, full_softmax_items=size, negatives=64)
    losses, said = [], []
    for device, kept_in in ((torch.device("cpu"), torch.float32), (GPU, precision)):
        training = Training(3, device, precision=kept_in, compiled=compiled, say=said.append)
        model = kind.fit(checkerboard(60, 20), colours(20), config, training)
        losses.append(model.facts["training"]["losses"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3 if precision == torch.float32 else 0.02)
    assert not [line for line in said if "goes on without" in line]


@pytest.mark.parametrize("compiled", [False, True])
def test_the_network_is_compiled_where_that_is_asked_for(compiled: bool) -> None:
    _, config = CONFIGS["transformer"]
    known, items = checkerboard(20, 20), colours(20)
    network = Network(config, TransformerEncoder, torch.from_numpy(items.content), torch.ones(21) > 0).to(GPU)
    work = Fitting(
        network, known, (known, np.ones(20, np.int64)), config, Training(3, GPU, compiled=compiled)
    )
    assert (work.states is not network) == compiled


def test_recurrent_layers_lie_in_one_piece_in_training(recwarn: pytest.WarningsRecorder) -> None:
    kind, config = CONFIGS["gru4rec"]
    kind.fit(checkerboard(20, 20), colours(20), replace(config, epochs=2), Training(3, GPU))
    assert not [one for one in recwarn if "contiguous chunk" in str(one.message)]


def test_a_killed_run_goes_on_from_its_checkpoint_also_on_the_cpu() -> None:
    kind, config = CONFIGS["transformer"]
    config = replace(config, epochs=6, patience=6, dropout=0.0, id_dropout=0.0)
    known, items = checkerboard(40, 20), colours(20)

    def losses(device: torch.device, place: Kept) -> Any:
        return kind.fit(known, items, config, Training(5, device, place)).facts["training"]["losses"]

    unbroken = losses(GPU, Kept())
    for device in (GPU, torch.device("cpu")):
        killed = Kept(die_at=4)
        with pytest.raises(KeyboardInterrupt):
            losses(GPU, killed)
        killed.die_at, killed.writes = None, 0
        assert losses(device, killed) == pytest.approx(unbroken, rel=1e-3)
        assert killed.writes == 3


def test_losses_are_torchs_own() -> None:
    hidden, table, targets = (tensor.detach().to(GPU) for tensor in some(targets=3_000, items=500))
    hidden, table = hidden.requires_grad_(), table.requires_grad_()
    expected = F.cross_entropy(hidden @ table.T, targets)
    found = full_softmax(hidden, table, targets)
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        *(torch.autograd.grad(loss, (hidden, table)) for loss in (found, expected)), strict=True
    ):
        torch.testing.assert_close(one, other)
    drawn, log_expected = torch.arange(100, device=GPU), torch.linspace(-2, 1, 100, device=GPU).double()
    hits, is_hit = hits_among(targets, drawn), targets[:, None] == drawn
    others = (hidden @ table[drawn].T - log_expected).masked_fill(is_hit, -torch.inf)
    own = (hidden * table[targets]).sum(1, keepdim=True)
    wanted = F.cross_entropy(torch.cat([own, others], 1), torch.zeros_like(targets))
    torch.testing.assert_close(
        sampled_softmax(hidden, table[targets], table[drawn], hits, log_expected), wanted
    )


@pytest.mark.parametrize("kind", ["distinct", "ties", "equal", "masked"])
def test_the_best_are_those_of_a_full_sort(kind: str) -> None:
    generator = np.random.default_rng(len(kind))
    for columns, k in ((40, 10), (700, 10), (5_000, 100), (9_000, 1), (6_001, 70)):
        scores = test_top_k.scores_of(kind, 300, columns, generator)
        found = (each.cpu() for each in test_top_k.top_k(scores.to(GPU), k))
        assert test_top_k.as_lists(*found) == test_top_k.sorted_whole(scores, k), (columns, k)


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize(("users_a_block", "items_a_block"), [(1000, 1000), (8, 7), (5, 40)])
def test_lists_are_those_of_a_cpu(
    users_a_block: int, items_a_block: int, exclude_seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "GPU_SCORES", 200)  # blocks of users in parts
    known, allowed = test_blocks.histories(), test_blocks.allowed()
    blocks = rank_users(
        moved(test_blocks.Vectors(1)),
        known,
        10,
        allowed,
        exclude_seen=exclude_seen,
        users_a_block=users_a_block,
        items_a_block=items_a_block,
    )
    found = np.concatenate([block.items for block in blocks])
    scores = test_blocks.Vectors(1).score(known)
    assert found.tolist() == test_blocks.naive(scores, known, 10, exclude_seen=exclude_seen)
    items, everything = np.arange(1, test_blocks.ITEMS + 1), np.ones(test_blocks.ITEMS + 1, bool)
    one, other = (
        np.concatenate([block.items for block in rank_similar(model, items, 5, everything)])
        for model in (test_blocks.Vectors(2), moved(test_blocks.Vectors(2)))
    )
    assert one.tolist() == other.tolist()


def test_a_ranker_learns_and_orders_as_on_a_cpu() -> None:
    judge = test_ranker.first_is_best
    ranker = Ranker.fit(test_ranker.examples(), judge, test_ranker.CONFIG, Training(3, GPU))
    assert ranker is not None
    assert judge(ranker) > 0.9
    assert judge(Ranker.from_state(ranker.state(), torch.device("cpu"))) == pytest.approx(
        judge(ranker), abs=0.01
    )

    known, histories, found = test_rerank.known(), test_blocks.histories(), []
    for device, model in (
        (torch.device("cpu"), test_blocks.Vectors(1)),
        (GPU, moved(test_blocks.Vectors(1))),
    ):
        own = Ranker(test_rerank.ranker().network.to(device), {})
        blocks = rank_lists(
            model,
            Reranker(own, known, test_rerank.CANDIDATES),
            histories,
            5,
            test_blocks.allowed(),
            exclude_seen=True,
        )
        asked = np.full((len(histories), 1), 3, np.int32)
        stands = standing(model, [histories], np.arange(len(histories)), asked, 12, exclude_seen=False)
        found.append((np.concatenate([block.items for block in blocks]).tolist(), stands))
    assert found[0][0] == found[1][0]
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5)


def test_memory_that_ends_is_explained() -> None:
    with (
        pytest.raises(NightjarError, match=r"memory ran out in training.*\(use less\)"),
        memory_explained("training", "use less"),
    ):
        torch.empty(1 << 45, device=GPU)
