"""The kernel distance: maximum mean discrepancy of features under a cubic kernel, without bias."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganctl.metrics.matrices import blocks, pair_of

SUBSETS = 100
SUBSET_SIZE = 1000
STREAM = 2020  # of numpy's Mersenne twister, as torch-fidelity draws its subsets
REPLICATES = 100
BLOCK = 1000  # rows of the kernel matrix at once


def kernel_distance(
    real: Any, fake: Any, subsets: int = SUBSETS, subset_size: int | None = None
) -> tuple[float, float]:
    """The squared maximum mean discrepancy under k(x, y) = (x.y/D + 1)^3: KID, where features are Inception's.

    The unbiased estimate (Gretton et al. 2012, JMLR 13, eq. 3) on random subsets of both sides (Binkowski et al. 2018,
    arXiv:1801.01401, section 4). It may be below 0, and is 0 on average for two samples of one distribution,
    whatever their size.

    Args:
        real: [N, D], N at least 2.
        fake: [M, D], M at least 2.
        subsets: how many pairs of subsets, drawn with one seed.
        subset_size: samples of each, without replacement; None: 1,000, or all of the smaller set.

    Returns: mean and standard deviation over subsets. They overlap, so this deviation is not a standard error of the
    mean; `kernel_error` gives that.

    Raises:
        ValueError: shapes that do not fit, numbers that are not finite, or a subset larger than a set.
    """
    first, second = pair_of(real, fake, least=2)
    size = min(SUBSET_SIZE, len(first), len(second)) if subset_size is None else subset_size
    if not 2 <= size <= min(len(first), len(second)) or subsets < 1:
        raise ValueError(
            f"{subsets} subsets of {size} from {len(first)} real and {len(second)} fake samples; "
            "give at least 1 subset, of 2 samples up to the smaller set"
        )
    stream = np.random.RandomState(STREAM)
    found = []
    for _ in range(subsets):
        # The fake side is drawn first, as torch-fidelity does it for (generated, real).
        fake_rows = torch.from_numpy(stream.choice(len(second), size, replace=False))
        real_rows = torch.from_numpy(stream.choice(len(first), size, replace=False))
        found.append(_unbiased(first[real_rows].double(), second[fake_rows].double()))
    return float(np.mean(found)), float(np.std(found))


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    product = (first @ second.T).div_(first.shape[1]).add_(1)
    return product.pow(3)


def _unbiased(real: Tensor, fake: Tensor) -> float:
    count = len(real)
    within = [(kernel.sum() - kernel.trace()) / (count * (count - 1)) for kernel in map(_kernel, *[(real, fake)] * 2)]
    return float(within[0] + within[1] - 2 * _kernel(real, fake).mean())


def kernel_error(real: Any, fake: Any, generator: torch.Generator) -> float:
    """The standard error of the unbiased estimate over fake samples, by a bootstrap of random halves.

    All replicates share one pass over the kernel: with w_ib = 1 where half b has sample i, its two terms are sums of
    w k w over pairs of different samples and of w k over real ones. Halves: see `frechet.distance_error`.

    Args:
        real: [N, D].
        fake: [M, D], M at least 4.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    first, second = pair_of(real, fake, least=4)
    count, part = len(second), len(second) // 2
    weights = torch.zeros(count, REPLICATES, dtype=torch.float64)
    for half in weights.T:
        half[torch.randperm(count, generator=generator)[:part]] = 1
    among, across = torch.zeros(REPLICATES, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
    for start in range(0, count, BLOCK):
        rows = second[start : start + BLOCK].double()
        for place in range(0, count, BLOCK):
            kernel = _kernel(rows, second[place : place + BLOCK].double())
            if place == start:
                kernel.fill_diagonal_(0)
            drawn = kernel @ weights[place : place + BLOCK]
            among += (weights[start : start + BLOCK] * drawn).sum(dim=0)
        for block in blocks(first, BLOCK):
            across[start : start + BLOCK] += _kernel(rows, block).sum(dim=1)
    within = among / (part * (part - 1))
    return float((within - 2 * (across @ weights) / (part * len(first))).std())
