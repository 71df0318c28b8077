"""The moving average of the weights that are used for sampling."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of the networks that are used for sampling.

    Source: Karras et al. 2018 (arXiv:1710.10196), appendix A.1.

    Args:
        networks: live networks by name. Buffers, such as batch norm's statistics, are copied instead of averaged.
        decay: weight of the previous average, in [0, 1).
        start: number of steps before averaging begins; until then the average equals the live networks.
    """

    def __init__(self, networks: dict[str, nn.Module], decay: float, start: int = 0) -> None:
        self.networks = {name: copy.deepcopy(network).requires_grad_(False) for name, network in networks.items()}
        # Listed once, as in `State`; networks do not replace their tensors.
        pairs = [(average, networks[name]) for name, average in self.networks.items()]
        self._averages: list[Tensor] = [parameter for average, _ in pairs for parameter in average.parameters()]
        self._live: list[Tensor] = [parameter for _, live in pairs for parameter in live.parameters()]
        self._buffers = [
            both for average, live in pairs for both in zip(average.buffers(), live.buffers(), strict=True)
        ]
        self.decay = decay
        self.start = start

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Updates the average with the weights after step `step` (from 1).

        The decay grows as (1 + s) / (10 + s) up to its final value, where s is the number of steps since the start, so
        that the initial weights soon lose their influence.
        """
        since = step - self.start
        decay = min(self.decay, (1 + since) / (10 + since)) if since > 0 else 0.0
        torch._foreach_lerp_(self._averages, self._live, 1 - decay)
        for average, live in self._buffers:
            average.copy_(live)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within this context the live networks hold the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for average, live in [*zip(self._averages, self._live, strict=True), *self._buffers]:
            average.data, live.data = live.data, average.data
