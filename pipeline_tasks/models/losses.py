"""What models minimise: states or scores and what was taken in, a mean over the targets out."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Logits kept at a time (rows of a chunk times items): small enough to stay in the processor's cache; on a GPU few
# chunks, since each is a dozen kernels to start, and 256 MB of its memory.
CHUNK_LOGITS, GPU_CHUNK_LOGITS = 1 << 20, 1 << 26


class _FullSoftmax(torch.autograd.Function):
    """Cross-entropy whose gradients are made in the forward pass, a chunk of rows at a time.

    The (targets, items) logits never exist as a whole, and every chunk is gone before the next one.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        rows = _rows_at_once(hidden, len(table))
        to_hidden, to_table = torch.empty_like(hidden), torch.zeros_like(table)
        loss = hidden.new_zeros(())
        for start in range(0, len(hidden), rows):
            part, wanted = hidden[start : start + rows], targets[start : start + rows, None]
            logits = part @ table.T  # (rows, items)
            top = logits.amax(1, keepdim=True)
            loss += top.sum() - logits.gather(1, wanted).sum()
            logits.sub_(top).exp_()
            total = logits.sum(1, keepdim=True)
            loss += total.log().sum()
            logits.div_(total)  # the softmax, which less the target's 1 is the gradient
            logits.scatter_add_(1, wanted, torch.full_like(total, -1.0))
            to_hidden[start : start + rows] = logits @ table
            to_table.addmm_(logits.T, part)
        ctx.save_for_backward(to_hidden.div_(len(hidden)), to_table.div_(len(hidden)))
        return loss / len(hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        to_hidden, to_table = ctx.saved_tensors
        return to_hidden * gradients[0], to_table * gradients[0], None


def full_softmax(hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of `hidden` (t, dim) over all rows of `table` (n, dim); `targets` (t,) are rows of it.

    It is worked out in the type of what it is given, under autocast too: sums over a catalogue are no sums in bfloat16.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        loss: Tensor = _FullSoftmax.apply(hidden, table, targets)  # type: ignore[no-untyped-call]
    return loss


class _SampledSoftmax(torch.autograd.Function):
    """Cross-entropy of each target against shared negatives; its gradients are made as `_FullSoftmax` makes them."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, positives: Tensor, negatives: Tensor, hits: Tensor, log_expected: Tensor
    ) -> Tensor:
        rows = _rows_at_once(hidden, len(negatives))
        own = (hidden * positives).sum(1, keepdim=True)  # (t, 1)
        to_hidden, to_own = torch.empty_like(hidden), torch.empty_like(own)
        to_negatives, loss = torch.zeros_like(negatives), hidden.new_zeros(())
        for start, here in zip(range(0, len(hidden), rows), _by_chunk(hits, len(hidden), rows), strict=True):
            part = slice(start, start + rows)
            logits = torch.addmm(-log_expected, hidden[part], negatives.T)
            logits[here[0] - start, here[1]] = -torch.inf
            top = torch.maximum(logits.amax(1, keepdim=True), own[part])
            mine = (own[part] - top).exp()
            total = logits.sub_(top).exp_().sum(1, keepdim=True) + mine
            loss += (total.log() + top - own[part]).sum()
            logits.div_(total)  # the softmax
            to_own[part] = mine / total - 1
            to_hidden[part] = logits @ negatives
            to_negatives.addmm_(logits.T, hidden[part])
        to_hidden.addcmul_(to_own, positives)
        ctx.save_for_backward(*(each / len(hidden) for each in (to_hidden, to_own * hidden, to_negatives)))
        return loss / len(hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return *(each * gradients[0] for each in ctx.saved_tensors), None, None


def sampled_softmax(
    hidden: Tensor, positives: Tensor, negatives: Tensor, hits: Tensor, log_expected: Tensor
) -> Tensor:
    """Mean cross-entropy of each target against negatives that the batch shares, with logQ correction.

    `hidden` and `positives` are (t, dim), `negatives` (m, dim); `hits` (2, pairs) are the targets and negatives
    that are the same item, in the order of the targets; `log_expected` (m,) is the logarithm of how often each
    negative is drawn in m draws. The sum over negatives then estimates the sum over the catalogue (Bengio and Senécal
    2008, "Adaptive importance sampling to accelerate training of a neural probabilistic language model"). Under
    autocast too it is worked out in the type of `hidden`.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        loss: Tensor = _SampledSoftmax.apply(  # type: ignore[no-untyped-call]
            hidden, positives.to(hidden.dtype), negatives.to(hidden.dtype), hits, log_expected
        )
    return loss


def hits_among(targets: Tensor, drawn: Tensor) -> Tensor:
    """Return (2, pairs): each target (t,) with each place of `drawn` (m,) that holds the same, in their order."""
    in_order, places = drawn.sort(stable=True)
    first, last = (torch.searchsorted(in_order, targets, right=right) for right in (False, True))
    times = last - first
    own = torch.repeat_interleave(times)  # (pairs,), which target
    nth = torch.arange(len(own), device=own.device) - (times.cumsum(0) - times)[own]
    return torch.stack([own, places[first[own] + nth]])


def _by_chunk(hits: Tensor, targets: int, rows: int) -> tuple[Tensor, ...]:
    """Return the pairs of each `rows` targets."""
    if rows >= targets:
        return (hits,)
    bounds = torch.searchsorted(hits[0], torch.arange(rows, targets, rows, device=hits.device))
    return torch.tensor_split(hits, bounds.cpu(), dim=1)


def _rows_at_once(hidden: Tensor, columns: int) -> int:
    logits = CHUNK_LOGITS if hidden.device.type == "cpu" else GPU_CHUNK_LOGITS
    return max(1, logits // max(1, columns))


def squared_error(own: Tensor, confidence: Tensor, zeros: Tensor, weight: float) -> Tensor:
    """Squared error of implicit feedback, a mean over pairs: those that happened tend to 1, all to 0.

    `own` (pairs,) are scores of what happened, `confidence` (pairs,) their weights; `zeros` are scores of any
    pairs, each of `weight` (Hu, Koren and Volinsky 2008, "Collaborative filtering for implicit feedback
    datasets", with the zeros of all pairs apart, as Rendle et al. 2022, "Revisiting the performance of iALS").
    """
    return ((confidence * (1 - own) ** 2).sum() + weight * zeros.square().sum()) / len(own)


def bpr(own: Tensor, others: Tensor, hits: Tensor) -> Tensor:
    """Mean of -ln sigmoid(own - other): `own` (t,) are scores of what happened, `others` (t, m) of what did not.

    `hits` (t, m) says where another did happen, and is left out (Rendle et al. 2009, "BPR: Bayesian
    personalized ranking from implicit feedback").
    """
    differences = F.softplus(others - own[:, None]).masked_fill(hits, 0.0)
    return differences.sum() / (~hits).sum().clamp(min=1)
