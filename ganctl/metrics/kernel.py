"""The kernel distance: an unbiased estimate of the maximum mean discrepancy of features under a cubic kernel."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganctl.metrics.matrices import blocks, pair_of

SUBSETS = 100
SUBSET_SIZE = 1000
STREAM = 2020  # seed of numpy's Mersenne Twister, with which torch-fidelity too draws its subsets
REPLICATES = 100  # of the bootstrap
BLOCK = 1000  # rows of the kernel matrix at once


def kernel_distance(
    real: Any, fake: Any, subsets: int = SUBSETS, subset_size: int | None = None
) -> tuple[float, float]:
    """The squared maximum mean discrepancy under k(x, y) = (x.y/D + 1)^3: KID if the features are Inception's.

    The unbiased estimate (Gretton et al. 2012, JMLR 13, eq. 3) on random subsets of both sets (Binkowski et al. 2018,
    arXiv:1801.01401, section 4). It may be negative, and is 0 on average for two samples of one distribution, whatever
    their sizes.

    Args:
        real: [N, D], N at least 2.
        fake: [M, D], M at least 2.
        subsets: number of pairs of subsets, drawn with a fixed seed.
        subset_size: size of each subset, drawn without replacement; None: 1,000, or the size of the smaller set.

    Returns: mean and standard deviation over subsets. The subsets overlap, so this is not a standard error of the mean;
    `kernel_error` computes that.

    Raises:
        ValueError: the shapes do not fit, a number is not finite, or a subset is larger than its set.
    """
    first, second = pair_of(real, fake, least=2)
    size = min(SUBSET_SIZE, len(first), len(second)) if subset_size is None else subset_size
    if not 2 <= size <= min(len(first), len(second)) or subsets < 1:
        raise ValueError(
            f"{subsets} subsets of {size} from {len(first)} real and {len(second)} fake samples; "
            "give at least 1 subset, of 2 samples up to the smaller set"
        )
    ours, theirs = _subsets(len(first), len(second), subsets, size)
    if len(first) * len(second) <= subsets * size**2:  # the whole kernel matrix is less work than those of all subsets
        sums = _sums(first, second, _counted(ours, len(first)), _counted(theirs, len(second)))
    else:
        every = torch.ones(size, 1, dtype=torch.float64)
        pairs = ((first[one], second[other]) for one, other in zip(ours, theirs, strict=True))
        sums = [torch.cat(parts) for parts in zip(*(_sums(*pair, every, every) for pair in pairs), strict=True)]
    within_first, within_second, across = sums
    found = (within_first + within_second) / (size * (size - 1)) - 2 * across / size**2
    return float(found.mean()), float(found.std(correction=0))


def _subsets(first: int, second: int, subsets: int, size: int) -> tuple[Tensor, Tensor]:
    """The rows of each pair of subsets: int64 [subsets, size] for either set."""
    stream, drawn = np.random.RandomState(STREAM), []
    for _ in range(subsets):
        # The fake subset is drawn first, as torch-fidelity does for (generated, real).
        fake = stream.choice(second, size, replace=False)
        drawn.append((stream.choice(first, size, replace=False), fake))
    ours, theirs = (torch.from_numpy(np.stack(rows)) for rows in zip(*drawn, strict=True))
    return ours, theirs


def _counted(chosen: Tensor, count: int) -> Tensor:
    """Indicators, float64 [count, choices]: 1 where a row is among those of a choice. `chosen`: [choices, size]."""
    return torch.zeros(len(chosen), count, dtype=torch.float64).scatter_(1, chosen, 1).T.contiguous()


def _sums(first: Tensor, second: Tensor, ours: Tensor, theirs: Tensor) -> list[Tensor]:
    """Three sums of the kernel per column of weights, [S] each: within either set, without the diagonal, and across.

    Args:
        ours: weights of the rows of `first`, [N, S].
        theirs: weights of the rows of `second`, [M, S].
    """
    return [_within(first, ours), _within(second, theirs), _across(first, second, ours, theirs)]


def _within(rows: Tensor, weights: Tensor) -> Tensor:
    """The sum of w_i k(x_i, x_j) w_j over pairs of different rows, for each column of weights."""
    found = torch.zeros(weights.shape[1], dtype=torch.float64)
    for place, block in enumerate(blocks(rows, BLOCK)):
        mine = weights[place * BLOCK : (place + 1) * BLOCK]
        for number, other in enumerate(blocks(rows[: (place + 1) * BLOCK], BLOCK)):
            kernel = _kernel(block, other)
            if number == place:
                kernel.fill_diagonal_(0)
            twice = 1 if number == place else 2  # the kernel is symmetric, so only half of the blocks are computed
            found += twice * (mine * (kernel @ weights[number * BLOCK : (number + 1) * BLOCK])).sum(dim=0)
    return found


def _across(first: Tensor, second: Tensor, ours: Tensor, theirs: Tensor) -> Tensor:
    """The sum of w_i k(x_i, y_j) v_j over all pairs, for each column of weights."""
    found = torch.zeros(ours.shape[1], dtype=torch.float64)
    for place, block in enumerate(blocks(first, BLOCK)):
        mine = ours[place * BLOCK : (place + 1) * BLOCK]
        for number, other in enumerate(blocks(second, BLOCK)):
            found += (mine * (_kernel(block, other) @ theirs[number * BLOCK : (number + 1) * BLOCK])).sum(dim=0)
    return found


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    product = (first @ second.T).div_(first.shape[1]).add_(1)
    return product.pow(3)


def kernel_error(real: Any, fake: Any, generator: torch.Generator) -> float:
    """The standard error of the unbiased estimate due to the finite number of fake samples, by random halves.

    Half of the samples are drawn without replacement, 100 times. The standard deviation of these estimates estimates
    that of the estimate from all samples (McCarthy 1969, doi:10.2307/1402116). All replicates share one pass over the
    kernel: with w_ib = 1 if half b contains sample i, the estimate's two terms are sums of w k w over pairs of
    different fake samples, and of w k over real ones.

    Args:
        real: [N, D].
        fake: [M, D], M at least 4.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    first, second = pair_of(real, fake, least=4)
    part = len(second) // 2
    halves = torch.stack([torch.randperm(len(second), generator=generator)[:part] for _ in range(REPLICATES)])
    weights = _counted(halves, len(second))
    among = _within(second, weights) / (part * (part - 1))
    across = _across(second, first, weights, torch.ones(len(first), 1, dtype=torch.float64)) / (part * len(first))
    return float((among - 2 * across).std())
