"""The largest values of every row: scores in, the k best and their columns out, exact, ties by the smaller column.

To sort out every value of a row takes longer than the product that made it. So columns are grouped: each of
the k groups with the largest maxima has a value no smaller than the least of these maxima, hence a row's k best
are no smaller either, and lie in groups whose maximum is not. What is left is little more than k values. A GPU
sorts out quickly, but takes any of equal values: there only rows that tie at their bound go by groups.
"""

import torch
from torch import Tensor

# Up to here a row is sorted whole.
SHORT_ROW = 64
# Columns of a group, at most: the processor compares so many at once that it pays.
LARGEST_GROUP = 64
# Groups that there are for each of the k, at least: with fewer, too many values reach the bound.
GROUPS_A_PLACE = 3
# What lies beside one another in a row and was found wanting or not, a byte each, is read as one number.
WORD = 8


def never(dtype: torch.dtype) -> float:
    """Return what stands for no score at all: -inf, of whole numbers the smallest."""
    return -torch.inf if dtype.is_floating_point else torch.iinfo(dtype).min


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the (rows, k) largest values and their columns, equal ones by the smaller column.

    Which columns stand for `never` is left open.
    """
    rows, columns = scores.shape
    k = min(k, columns)
    if columns <= max(2 * k, SHORT_ROW) or not k or not rows:
        values, order = scores.sort(dim=1, descending=True, stable=True)
        return values[:, :k], order[:, :k]
    return _by_groups(scores, k) if scores.device.type == "cpu" else _by_torch(scores, k)


def _by_torch(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return what `top_k` does, k fewer than the columns, by torch's own, whose equal values are in no order."""
    values, columns = scores.topk(k + 1, dim=1)
    tied = (values[:, k] == values[:, k - 1]) & (values[:, k] > never(scores.dtype))
    columns, order = columns[:, :k].sort(dim=1)
    values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    columns = columns.gather(1, order)
    rows = tied.nonzero()[:, 0]
    if len(rows):
        values[rows], columns[rows] = _by_groups(scores[rows], k)
    return values, columns


def _by_groups(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return what `top_k` does of long rows, by groups of columns."""
    size = _group_size(scores.shape[1], k)
    maxima = _maxima(scores, size)
    bound = maxima.topk(k, dim=1, sorted=False)[0].amin(1)  # (rows,): no smaller is a row's k-th best
    known = torch.finfo(bound.dtype).min if bound.dtype.is_floating_point else never(bound.dtype) + 1
    bound.clamp_(min=known)
    row, group = (maxima >= bound[:, None]).nonzero(as_tuple=True)
    kept = _first_ties(row, maxima[row, group], bound, k)
    values, places = _inside(scores, size, row[kept], group[kept], bound, k)
    values, order = top_k(values, k)
    return values, places.gather(1, order)


def _inside(
    scores: Tensor, size: int, row: Tensor, group: Tensor, bound: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Return (rows, some) what reaches the bound in these groups, and the columns; `never` fills rows up.

    Of values that are equal to their row's bound the first `k` are kept; as many columns there are at least.
    """
    groups, step = _groups(scores, size)
    looked_into = groups.index_select(0, row * step + group)  # (n, size)
    at = _true(looked_into >= bound[row, None])
    nth = at // size
    row, column, value = row[nth], group[nth] * size + at % size, looked_into.view(-1)[at]
    kept = _first_ties(row, value, bound, k)
    values, columns = _padded(row[kept], column[kept], value[kept], len(scores), k)
    grouped = scores.shape[1] // size * size
    tail = torch.arange(grouped, scores.shape[1], device=scores.device)  # too few columns to be a group
    return (
        torch.cat([values, scores[:, grouped:]], 1),
        torch.cat([columns, tail.expand(len(scores), -1)], 1),
    )


def _true(found: Tensor) -> Tensor:
    """Return where `found` (n, size) is true, in its flattened form; it seldom is."""
    if found.shape[1] % WORD:
        return found.view(-1).nonzero()[:, 0]
    words = found.view(-1).view(torch.int64).nonzero()[:, 0]
    nth, place = found.view(-1, WORD)[words].nonzero(as_tuple=True)
    return words[nth] * WORD + place


def _padded(row: Tensor, column: Tensor, value: Tensor, rows: int, least: int) -> tuple[Tensor, Tensor]:
    """Return (rows, longest, or `least`) each row's values from its beginning, `never` behind them, and their columns."""
    counts = torch.bincount(row, minlength=rows)
    starts = counts.cumsum(0) - counts
    width = max(least, int(counts.max()))
    place = torch.arange(len(row), device=row.device) + (row * width - starts[row])
    values = value.new_full((rows * width,), never(value.dtype)).index_copy_(0, place, value)
    columns = column.new_zeros(rows * width).index_copy_(0, place, column)
    return values.view(rows, width), columns.view(rows, width)


def _maxima(scores: Tensor, size: int) -> Tensor:
    """Return (rows, groups); columns that are too few to be a group are left out."""
    whole = scores[:, : scores.shape[1] // size * size]
    return torch.unflatten(whole, 1, (-1, size)).amax(2)


def _first_ties(row: Tensor, value: Tensor, bound: Tensor, k: int) -> Tensor:
    """Say which values to keep: those above their row's bound, and the first k that are equal to it."""
    equal = value == bound[row]
    ties = torch.zeros_like(bound, dtype=torch.long).index_add_(0, row, equal.long())
    before = ties.cumsum(0) - ties  # of the rows above
    return ~equal | (equal.cumsum(0) - before[row] <= k)


def _groups(scores: Tensor, size: int) -> tuple[Tensor, int]:
    """Return all groups, (n, size), as they lie in memory, and how many lie from one row to the next."""
    groups = scores.shape[1] // size
    if scores.stride(1) != 1 or scores.stride(0) % size:
        scores = scores[:, : groups * size].contiguous()
    step = scores.stride(0) // size
    n = (len(scores) - 1) * step + groups
    return scores.as_strided((n, size), (size, 1)), step


def _group_size(columns: int, k: int) -> int:
    size = 1
    while size < LARGEST_GROUP and 2 * size * k * GROUPS_A_PLACE <= columns:
        size *= 2
    return size
