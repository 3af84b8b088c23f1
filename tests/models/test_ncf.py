"""NeuMF against the paper's layers written out; slopes against autograd; who a user is."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline_tasks.models import neumf
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.ncf import Ncf
from pipeline_tasks.models.ncf_fitting import Fitting, context
from pipeline_tasks.models.neumf import NcfConfig, Network
from pipeline_tasks.models.tastes import tastes_of
from tests.models.worlds import NCF, checkerboard, colours, histories

DIM, ITEMS = 8, 30


@pytest.fixture
def network() -> Network:
    torch.manual_seed(1)
    everybody, everything = torch.ones(6, dtype=torch.bool), torch.ones(ITEMS + 1, dtype=torch.bool)
    everything[0] = False
    return Network(NcfConfig(dim=DIM), everybody, everything).double().eval()


def plain(network: Network, user: Tensor, item: Tensor) -> Tensor:
    """The paper's equation 12, with one tower over both vectors side by side."""
    first = torch.cat([network.from_user.weight, network.from_item.weight], 1)
    x = F.relu(F.linear(torch.cat([user[DIM:], item[DIM:]]), first, network.from_user.bias))
    x = F.relu(network.last(F.relu(network.middle(x))))
    fused = torch.cat([user[:DIM] * item[:DIM], x])
    return fused @ torch.cat([network.product_weights, network.tower_weights])


@pytest.mark.parametrize("cells", [1, 100, 1 << 23])
def test_scores_are_those_of_the_papers_layers(
    network: Network, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neumf, "CELLS_AT_ONCE", cells)
    users, items = torch.randn(5, 2 * DIM, dtype=torch.float64), network.items.weight
    expected = torch.stack([torch.stack([plain(network, user, item) for item in items]) for user in users])
    torch.testing.assert_close(network.all_scores(users), expected)


def test_slopes_are_the_gradients(network: Network) -> None:
    users = torch.randn(4, 2 * DIM, dtype=torch.float64, requires_grad=True)
    items = torch.randn(4, 3, 2 * DIM, dtype=torch.float64)
    scores, slopes = network(users, items), network.slope(users, items)
    for place in range(3):
        expected = torch.autograd.grad(scores[:, place].sum(), users, retain_graph=True)[0]
        torch.testing.assert_close(slopes[:, place], expected)


def test_a_user_is_the_id_and_the_mean_of_the_history(network: Network) -> None:
    items = torch.tensor([3, 7, 7, 9])
    total, counts = network.sums(items, torch.tensor([0, 0, 3, 4]))
    rows = network.items.weight
    expected = torch.stack([rows[0] * 0, rows[3] + 2 * rows[7], rows[9], rows[0] * 0])
    torch.testing.assert_close(total, expected)
    assert counts[:, 0].tolist() == [0, 3, 1, 0]
    ids = network.ids(torch.tensor([2, 99]))  # 99 came after the fit
    torch.testing.assert_close(ids[0], network.users.weight[2])
    assert not ids[1].any()


def test_users_who_came_after_the_fit_get_what_their_history_asks_for() -> None:
    model = Ncf.fit(checkerboard(80, 24), colours(24), NCF, Training(seed=3))
    later = replace(histories([[1, 3, 5], [2, 4, 6]]), users=np.array([5000, 81], dtype=np.int32))
    assert [{item % 2 for item in row.topk(5).indices.tolist()} for row in model.score(later)] == [{1}, {0}]


def test_the_item_to_be_found_is_not_in_the_mean_that_finds_it() -> None:
    """Users with two items: with the ids dropped, what finds one of them is the other alone."""
    known = histories([[1, 2]])
    torch.manual_seed(1)
    config = NcfConfig(dim=DIM, id_dropout=1.0, dropout=0.0)
    mask = torch.tensor([False, True, True, True])
    network = Network(config, torch.tensor([False, True]), mask)
    nobody: Any = (known.rows(np.array([], dtype=np.int64)), np.array([], dtype=np.int64))
    work = Fitting(network, known, tastes_of(known, config.weights), nobody)
    work._drawn = lambda pairs: torch.full((pairs, 1), 3)  # type: ignore[method-assign]
    loss, rows = work.loss(np.array([0])), network.items.weight
    expected = [
        F.softplus(plain(network, rows[other], rows[3]) - plain(network, rows[other], rows[own]))
        for own, other in ((1, 2), (2, 1))
    ]
    torch.testing.assert_close(loss, torch.stack(expected).mean())


def test_what_the_user_touched_is_no_negative() -> None:
    known = histories([[1, 2], [3]])
    network = Network(NcfConfig(dim=DIM), torch.ones(3, dtype=torch.bool), torch.ones(5, dtype=torch.bool))
    work = Fitting(network, known, tastes_of(known, (0.0, 1.0)), (known, np.array([1, 1])))
    keys = torch.tensor([[0, 0], [1, 1]]) * work.items + torch.tensor([[2, 3], [3, 4]])
    assert work._touched(keys).tolist() == [[True, False], [True, False]]


def test_only_the_newest_events_count_and_keep_their_numbers() -> None:
    found = context(histories([[1, 2, 3], [], [4, 4]]), NcfConfig(max_length=2))
    assert found.items.tolist() == [2, 3, 4]
    assert found.newest.tolist() == [1, 2, 4]
