"""How far chance may have moved a mean: users' values in, the interval of their mean out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made: the share of resamples that they hold, how many there are, and their seed."""

    confidence: float
    resamples: int
    seed: int

    def intervals(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (columns, 2): between what the mean of each column of `values` (users, columns) lies.

        Users are drawn with replacement, and a resample's users are the same in every column, so that the interval
        of a column of differences is the paired one. The ends are percentiles of the resamples' means (Efron and
        Tibshirani 1993, "An introduction to the bootstrap", chapter 13). There is at least one user.
        """
        generator, users = np.random.default_rng(self.seed), len(values)
        means = np.empty((self.resamples, values.shape[1]))
        for mean in means:
            # how often each user was drawn, since a product is faster than picking the rows
            drawn = np.bincount(generator.integers(0, users, users), minlength=users)
            mean[:] = drawn @ values / users
        outside = (1 - self.confidence) / 2
        return np.quantile(means, [outside, 1 - outside], axis=0).T
