"""The moving average of the weights that samples come from."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of the networks that samples come from.

    Source: Karras et al. 2018 (arXiv:1710.10196), appendix A.1.

    Args:
        networks: by name; buffers such as batch norm's statistics are copied, not averaged.
        decay: weight of the past, in [0, 1).
        start: steps before it begins; until then it is the live networks.
    """

    def __init__(self, networks: dict[str, nn.Module], decay: float, start: int = 0) -> None:
        self.networks = {name: copy.deepcopy(network).requires_grad_(False) for name, network in networks.items()}
        # Listed once, as in `Training`; no network exchanges its tensors for others.
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
        """Takes in the weights after step number `step` (from 1).

        The decay grows as (1 + s) / (10 + s) up to its value, s being the steps since its start, so that the first
        weights are soon forgotten.
        """
        since = step - self.start
        decay = min(self.decay, (1 + since) / (10 + since)) if since > 0 else 0.0
        torch._foreach_lerp_(self._averages, self._live, 1 - decay)
        for average, live in self._buffers:
            average.copy_(live)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the live networks hold the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for average, live in [*zip(self._averages, self._live, strict=True), *self._buffers]:
            average.data, live.data = live.data, average.data
