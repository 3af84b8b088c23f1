"""Losses against torch's own, gradients included."""

import pytest
import torch
import torch.nn.functional as F

from pipeline_tasks.models import losses
from pipeline_tasks.models.losses import bpr, full_softmax, hits_among, sampled_softmax, squared_error


def some(seed: int = 0, targets: int = 50, items: int = 30, dim: int = 8) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(targets, dim, generator=generator, dtype=torch.float64).requires_grad_()
    table = torch.randn(items, dim, generator=generator, dtype=torch.float64).requires_grad_()
    return hidden, table, torch.randint(0, items, (targets,), generator=generator)


@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
def test_full_softmax_is_the_cross_entropy(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CHUNK_LOGITS", chunk)
    hidden, table, targets = some()
    expected = F.cross_entropy(hidden @ table.T, targets)
    wanted = torch.autograd.grad(expected, (hidden, table))
    loss = full_softmax(hidden, table, targets)
    torch.testing.assert_close(loss, expected)
    for found, right in zip(torch.autograd.grad(2 * loss, (hidden, table)), wanted, strict=True):
        torch.testing.assert_close(found, 2 * right)


def test_full_softmax_bears_large_logits() -> None:
    hidden, table, targets = some()
    loss = full_softmax(hidden * 1e3, table * 1e3, targets)
    torch.testing.assert_close(loss, F.cross_entropy(hidden @ table.T * 1e6, targets))


def test_sampled_softmax_tends_to_the_full_one_as_negatives_grow() -> None:
    hidden, table, targets = some(items=40)
    chances = torch.rand(40, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.2
    chances /= chances.sum()
    drawn = torch.multinomial(chances, 400_000, replacement=True, generator=torch.Generator().manual_seed(2))
    loss = sampled_softmax(
        hidden,
        table[targets],
        table[drawn],
        hits_among(targets, drawn),
        (chances[drawn] * len(drawn)).log(),
    )
    torch.testing.assert_close(loss, F.cross_entropy(hidden @ table.T, targets), rtol=0.01, atol=0)


@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
def test_sampled_softmax_is_the_cross_entropy_over_target_and_negatives(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "CHUNK_LOGITS", chunk)
    hidden, table, targets = some()
    drawn, log_expected = torch.arange(20) % 12, torch.linspace(-2, 1, 20, dtype=torch.float64)
    hits, is_hit = hits_among(targets, drawn), targets[:, None] == drawn
    own = (hidden * table[targets]).sum(1, keepdim=True)
    others = (hidden @ table[drawn].T - log_expected).masked_fill(is_hit, -torch.inf)
    expected = F.cross_entropy(torch.cat([own, others], 1), torch.zeros(len(own), dtype=torch.long))
    wanted = torch.autograd.grad(expected, (hidden, table))
    loss = sampled_softmax(hidden, table[targets], table[drawn], hits, log_expected)
    torch.testing.assert_close(loss, expected)
    for found, right in zip(torch.autograd.grad(2 * loss, (hidden, table)), wanted, strict=True):
        torch.testing.assert_close(found, 2 * right)


@pytest.mark.parametrize(("targets", "drawn"), [(50, 20), (7, 0), (0, 7), (300, 300), (1, 1)])
def test_hits_are_where_targets_and_negatives_are_alike(targets: int, drawn: int) -> None:
    generator = torch.Generator().manual_seed(targets)
    own, others = (torch.randint(0, 12, (size,), generator=generator) for size in (targets, drawn))
    assert hits_among(own, others).tolist() == (own[:, None] == others).nonzero().T.tolist()


def test_a_target_drawn_as_its_own_negative_does_not_count_against_itself() -> None:
    hidden, table, _ = some(targets=1, items=2)
    hit = torch.tensor([[0], [0]])
    nothing = torch.zeros(2, dtype=torch.float64)
    loss = sampled_softmax(hidden, table[:1], table, hit, nothing)
    torch.testing.assert_close(loss, F.cross_entropy(hidden @ table.T, torch.tensor([0])))


def test_squared_error_is_torchs_over_the_whole_matrix() -> None:
    scores = some()[0].detach().requires_grad_()  # users times items
    generator = torch.Generator().manual_seed(3)
    confidence = torch.rand(scores.shape, generator=generator, dtype=torch.float64) * 4
    happened = torch.rand(scores.shape, generator=generator) < 0.2
    weights = torch.where(happened, confidence, 0.0)
    ones, zeros = torch.ones_like(scores), torch.zeros_like(scores)
    squares = F.mse_loss(scores, ones, reduction="none") * weights + 0.3 * F.mse_loss(
        scores, zeros, reduction="none"
    )
    expected = squares.sum() / happened.sum()
    wanted = torch.autograd.grad(expected, scores)[0]
    loss = squared_error(scores[happened], confidence[happened], scores, 0.3)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, scores)[0], wanted)


def test_bpr_is_the_log_likelihood_of_the_order() -> None:
    own, others = some()[0].detach()[:, 0].requires_grad_(), some(seed=1)[0].detach()
    hits = torch.rand(others.shape, generator=torch.Generator().manual_seed(3)) < 0.3
    pairs = [
        -F.logsigmoid(own[row] - others[row, place])
        for row in range(len(own))
        for place in range(others.shape[1])
        if not hits[row, place]
    ]
    expected = torch.stack(pairs).mean()
    loss = bpr(own, others, hits)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, own), torch.autograd.grad(expected, own))
    assert bpr(own, others, torch.ones_like(hits)) == 0
