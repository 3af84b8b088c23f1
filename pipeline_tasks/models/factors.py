"""What models of latent factors share: tables of factors and users' tastes in, users' factors and scores out.

A row of zeros is an item, or a user, that nothing is known of: its scores are -inf.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import EmbeddingModel, State
from pipeline_tasks.models.tastes import heaviest_event

# numbers of a block of equations at a time
CELLS_AT_ONCE = 1 << 22


def rows_at_once(dim: int) -> int:
    """Return how many pairs (and at most as many users) to solve for at a time, with `dim` unknowns a user."""
    return max(1, CELLS_AT_ONCE // dim**2)


def equations(table: Tensor, items: Tensor, weights: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the users' own part of their normal equations, (batch, dim, dim) and (batch, dim).

    `table` is (n_items + 1, dim); `items`, `weights` and `values` are (batch, pairs), weights and values zero
    for padding. With y the rows of a user's items: the sums of weight y y' and of value y.
    """
    own = table[items]  # (batch, pairs, dim)
    return own.mT @ (own * weights[:, :, None]), (own * values[:, :, None]).sum(1)


def solve(matrices: Tensor, right: Tensor) -> Tensor:
    """Return x of matrices (batch, dim, dim), positive definite, times x = right (batch, dim)."""
    return torch.cholesky_solve(right[:, :, None], torch.linalg.cholesky(matrices))[:, :, 0]


def adding_most(pulls: Tensor, matrices: Tensor, table: Tensor, newest: Tensor, asked: Tensor) -> Tensor:
    """Return (batch, k), for each of `asked` (batch, k) the event whose pair adds most to its score.

    A user's factors are the inverse of `matrices` (batch, dim, dim) times a sum over the user's pairs; what each
    `pulls` (batch, pairs, dim) into the sum is its share (section 5 of Hu, Koren and Volinsky 2008,
    "Collaborative filtering for implicit feedback datasets"). `table` (n_items + 1, dim or fewer) scores.
    """
    shares = torch.cholesky_solve(pulls.mT, torch.linalg.cholesky(matrices)).mT  # (batch, pairs, dim)
    adds = shares[:, :, : table.shape[1]] @ table[asked].mT  # (batch, pairs, k)
    return heaviest_event(adds, newest, asked)


def scores(model: EmbeddingModel, histories: Histories) -> Tensor:
    """Return (rows, n_items + 1): inner products, -inf where nothing is known of the user or the item."""
    users, items = model.encode(histories), model.item_vectors()
    found = users @ items.T
    found[~users.any(1)] = -torch.inf
    found[:, ~items.any(1)] = -torch.inf
    return found


def cosines(table: Tensor, items: NDArray[np.int64]) -> Tensor:
    """Return (items, n_items + 1): how alike rows of `table` are; -inf where nothing is known."""
    unit, known = F.normalize(table, dim=1), table.any(1)
    chosen = torch.from_numpy(items).to(table.device)
    found = unit[chosen] @ unit.T
    found[~known[chosen]] = -torch.inf
    found[:, ~known] = -torch.inf
    return found


def grown(table: Tensor, rows: int) -> Tensor:
    """Return the table with rows of zeros after its own, `rows` in all."""
    larger = table.new_zeros(rows, *table.shape[1:])
    larger[: len(table)] = table
    return larger


def carry_over(start: Tensor, learnt: Tensor) -> None:
    """Copy the rows of `learnt` that are known into the first rows of `start`, in place."""
    learnt = learnt[: len(start)].to(start)
    known = learnt.any(1)
    start[: len(learnt)][known] = learnt[known]


def goes_on(previous: State | None, dim: int) -> State | None:
    """Return the earlier model if its factors are as wide as `dim`."""
    return previous if previous and previous.facts["config"].get("dim") == dim else None
