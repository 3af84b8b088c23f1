"""The largest values of every row: scores in, the k best and their columns out, exact, ties by the smaller column.

To sort out every value of a row takes longer than the product that made it. So columns are grouped: each of
the k groups with the largest maxima has a value no smaller than the least of these maxima, hence a row's k best
are no smaller either, and lie in groups whose maximum is not. What is left is little more than k values.
"""

import torch
from torch import Tensor

# Up to here a row is sorted whole.
SHORT_ROW = 64
# Columns of a group, at most: the processor compares so many at once that it pays.
LARGEST_GROUP = 64
# Groups that there are for each of the k, at least: with fewer, too many values reach the bound.
GROUPS_A_PLACE = 3


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the (rows, k) largest values and their columns, equal ones by the smaller column.

    Which columns stand for -inf is left open.
    """
    rows, columns = scores.shape
    k = min(k, columns)
    if columns <= max(2 * k, SHORT_ROW) or not k or not rows:
        values, order = scores.sort(dim=1, descending=True, stable=True)
        return values[:, :k], order[:, :k]
    size = _group_size(columns, k)
    grouped = columns // size * size
    row, column, value = _candidates(scores, k, size)
    values, places = _padded(row, rows, value, -torch.inf), _padded(row, rows, column, 0)
    if grouped < columns:  # too few to be a group: all are candidates, behind the others
        values = torch.cat([values, scores[:, grouped:]], 1)
        tail = torch.arange(grouped, columns, device=scores.device)
        places = torch.cat([places, tail.expand(rows, -1)], 1)
    if values.shape[1] < k:
        missing = (0, k - values.shape[1])
        values = torch.nn.functional.pad(values, missing, value=-torch.inf)
        places = torch.nn.functional.pad(places, missing)
    values, order = top_k(values, k)
    return values, places.gather(1, order)


def _candidates(scores: Tensor, k: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return row, column and value of what may be among the rows' k best, in the order of rows and columns."""
    maxima = scores[:, : scores.shape[1] // size * size].unflatten(1, (-1, size)).amax(2)  # (rows, groups)
    bound = maxima.topk(k, dim=1, sorted=False)[0].amin(1)  # (rows,): no smaller is a row's k-th best
    row, group = ((maxima >= bound[:, None]) & (maxima > -torch.inf)).nonzero(as_tuple=True)
    kept = _first_ties(row, maxima[row, group], bound, k)
    row, group = row[kept], group[kept]
    groups, step = _groups(scores, size)
    inside = groups.index_select(0, row * step + group)  # (groups looked into, size)
    nth, place = ((inside >= bound[row, None]) & (inside > -torch.inf)).nonzero(as_tuple=True)
    row, column, value = row[nth], group[nth] * size + place, inside[nth, place]
    kept = _first_ties(row, value, bound, k)
    return row[kept], column[kept], value[kept]


def _first_ties(row: Tensor, value: Tensor, bound: Tensor, k: int) -> Tensor:
    """Say which values to keep: those above their row's bound, and the first k that are equal to it."""
    equal = value == bound[row]
    ties = torch.zeros_like(bound, dtype=torch.long).index_add_(0, row, equal.long())
    before = ties.cumsum(0) - ties  # of the rows above
    return ~equal | (equal.cumsum(0) - before[row] <= k)


def _groups(scores: Tensor, size: int) -> tuple[Tensor, int]:
    """Return all groups, (n, size), as they lie in memory, and how many lie from one row to the next."""
    if scores.stride(1) != 1 or scores.stride(0) % size:
        scores = scores[:, : scores.shape[1] // size * size].contiguous()
    step = scores.stride(0) // size
    n = (len(scores) - 1) * step + scores.shape[1] // size
    return scores.as_strided((n, size), (size, 1)), step


def _padded(row: Tensor, rows: int, value: Tensor, empty: float) -> Tensor:
    """Return (rows, longest), each row's values from its beginning."""
    counts = torch.bincount(row, minlength=rows)
    starts = counts.cumsum(0) - counts
    padded = value.new_full((rows, int(counts.max())), empty)
    padded[row, torch.arange(len(row), device=row.device) - starts[row]] = value
    return padded


def _group_size(columns: int, k: int) -> int:
    size = 1
    while size < LARGEST_GROUP and 2 * size * k * GROUPS_A_PLACE <= columns:
        size *= 2
    return size
