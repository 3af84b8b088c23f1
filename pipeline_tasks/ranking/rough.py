"""The best of many items found by rough products and put in order by exact ones: vectors in, the same lists out.

A processor that multiplies bfloat16 does so several times as fast. A rough score is off by no more than a bound that
follows from what rounding took from each vector; who is farther below a user's k-th rough score than twice that is
none of the k best. So somewhat more than k are fetched by rough scores, and where the bound shows that nobody was
missed, their exact products say who they are. Other users are left to exact scores.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

# candidates of a place; fewer leave more users to exact scores
WIDER = 2
# items for each candidate from which rough scores pay
ITEMS_A_CANDIDATE = 128
# half a unit in the last of bfloat16's eight bits, and a little for what that is multiplied with
OUTPUT_ROUNDING = 2.0**-8 * (1 + 2.0**-6)
# products of vectors that are kept at a time, in numbers
NUMBERS_AT_ONCE = 1 << 21


def pays() -> bool:
    """Say whether this processor multiplies bfloat16 by itself."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


@dataclass(frozen=True)
class RoughItems:
    """Items' vectors (items, dim) in bfloat16, the longest one's length, and the most that rounding took from one."""

    vectors: Tensor
    longest: float
    taken: float

    @classmethod
    def of(cls, vectors: Tensor) -> Self:
        rough = vectors.bfloat16()
        lengths, taken = (float(part.norm(dim=1).max()) for part in (vectors, vectors - rough))
        return cls(rough, lengths, taken)

    def error(self, users: Tensor) -> Tensor:
        """Return (rows,): how far a rough product may be off before it is itself rounded (Cauchy and Schwarz)."""
        lengths, taken = users.norm(dim=1), (users - users.bfloat16()).norm(dim=1)
        of_inputs = taken * (self.longest + self.taken) + lengths * self.taken
        of_sums = users.shape[1] * 2.0**-23 * lengths * self.longest  # which are made in 32 bits
        error: Tensor = of_inputs + of_sums
        return error


def shown(rough: Tensor, k: int, error: Tensor) -> Tensor:
    """Say of which rows the `k` best are certainly among the columns of `rough` (rows, more than k), best first.

    Rough scores that are not positive say nothing.
    """
    kth, last = rough[:, k - 1].float(), rough[:, -1].float()
    found: Tensor = (last > 0) & (last * (1 + OUTPUT_ROUNDING) + error < kth * (1 - OUTPUT_ROUNDING) - error)
    return found


def ordered(users: Tensor, vectors: Tensor, columns: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the (rows, k) best of `columns` (rows, candidates) and their exact values, ties by the smaller column."""
    columns = columns.sort(dim=1)[0]
    rows = max(1, NUMBERS_AT_ONCE // (columns.shape[1] * vectors.shape[1]))
    values = torch.cat(
        [
            _products(users[start : start + rows], vectors, columns[start : start + rows])
            for start in range(0, len(users), rows)
        ]
    )
    values, order = values.sort(dim=1, descending=True, stable=True)
    return columns.gather(1, order[:, :k]), values[:, :k]


def _products(users: Tensor, vectors: Tensor, columns: Tensor) -> Tensor:
    """Return (rows, candidates), each the product of the row's user and the candidate."""
    own = vectors.index_select(0, columns.view(-1)).view(*columns.shape, -1)  # (rows, candidates, dim)
    return torch.bmm(users[:, None], own.mT)[:, 0]
