"""A test of whether two sets of vectors come from one distribution."""

from typing import Any

import torch

from ganctl.metrics.matrices import pair_of

PERMUTATIONS = 999


def energy_test(one: Any, other: Any, seed: int = 0) -> tuple[float, float]:
    """The energy distance of two sets of vectors, and the p-value of a test that they have one distribution.

    The distance is 2 E|X - Y| - E|X - X'| - E|Y - Y'| over all pairs. With more vectors it tends to 0 for one
    distribution, and to a positive number for two different ones (Székely and Rizzo 2013,
    doi:10.1016/j.jspi.2013.03.018, eq. 5). The p-value is that of a permutation test: the share of 999 random divisions
    of all vectors, and the given one, whose distance is at least as large.

    Args:
        one: [N, D].
        other: [N, D].
        seed: seed of the permutations.

    Returns: the distance, at least 0, and the p-value, in (0, 1].

    Raises:
        ValueError: the shapes do not fit, or a number is not finite.
    """
    first, second = pair_of(one, other)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} vectors: give as many of each")
    count = len(first)
    together = torch.cat([first, second]).double()
    apart = torch.cdist(together, together)
    stream = torch.Generator().manual_seed(seed)
    signs = torch.ones(2 * count, 1 + PERMUTATIONS, dtype=torch.float64)
    signs[count:] = -1
    for column in range(1, 1 + PERMUTATIONS):
        signs[:, column] = signs[torch.randperm(2 * count, generator=stream), 0]
    # With s the signs of the two sets, s^T A s is the sum within both sets minus twice the sum between them.
    distances = -(signs * (apart @ signs)).sum(dim=0) / count**2
    as_far = int((distances[1:] >= distances[0] * (1 - 1e-12)).sum())
    return max(0.0, float(distances[0])), (1 + as_far) / (1 + PERMUTATIONS)
