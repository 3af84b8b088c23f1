"""The mean of a module's weights over its training's steps: each step's weights in, a steadier module out.

Steps count by polynomial decay, the newest tenth of them most: a mean needs no length of its own, and no
learning rate has to fall (Shamir and Zhang 2013, "Stochastic gradient descent for non-smooth optimization").
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

DECAY = 8.0


class Averages:
    """The means of a module's parameters, in their order; until the first step the parameters themselves."""

    def __init__(self, module: nn.Module) -> None:
        self._parameters = list(module.parameters())
        self.tensors: list[Tensor] = [parameter.detach().clone() for parameter in self._parameters]

    @torch.no_grad()
    def add(self, step: int) -> None:
        """Take in the parameters as they are after a step, from 1."""
        share = (DECAY + 1) / (step + DECAY)
        for mean, parameter in zip(self.tensors, self._parameters, strict=True):
            mean.lerp_(parameter, share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the module be its mean for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        """Exchange the values: the memory stays each one's own, which cuDNN's recurrent layers lay out in one piece."""
        for mean, parameter in zip(self.tensors, self._parameters, strict=True):
            own = parameter.clone()
            parameter.copy_(mean)
            mean.copy_(own)
