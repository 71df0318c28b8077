"""The Fréchet distance of two Gaussians fitted to features, its standard error, and its limit for endless samples."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganctl.metrics.matrices import blocks, pair_of

SIZES = 15  # sample sizes that the limit is extrapolated from
GROUP_BYTES = 64 * 2**20  # memory for the groups of the bootstrap
FEWEST_GROUPS = 20  # that the limit takes, whatever their memory
REPLICATES = 100
# Of the extrapolated distance, each of which takes SIZES distances: fewer where these take long.
LIMIT_REPLICATES = {512: 40, 10**6: 12}


@dataclass
class Gaussian:
    """Mean [D] and covariance [D, D] of features, float64."""

    mean: Tensor
    covariance: Tensor


@dataclass
class Moments:
    """Sums over features that arrive chunk by chunk, in groups of consecutive samples, so that memory does not grow.

    Samples must arrive in random order: then the groups are alike but for chance, which is what their bootstrap is of.

    Args:
        dimensions: of the features.
        total: samples that will arrive.
        grouped: whether groups are kept apart, or all samples are one.
    """

    dimensions: int
    total: int
    grouped: bool = True
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        most = max(FEWEST_GROUPS, min(100, GROUP_BYTES // (8 * self.dimensions**2))) if self.grouped else 1
        self.groups = max(1, min(most, self.total // 2))
        self.counts = torch.zeros(self.groups, dtype=torch.float64)
        self.sums = torch.zeros(self.groups, self.dimensions, dtype=torch.float64)
        self.products = torch.zeros(self.groups, self.dimensions, self.dimensions, dtype=torch.float64)
        # Sums about a point near the mean lose no digits; the first chunk's mean is near enough.
        self.origin = torch.zeros(self.dimensions, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        """Takes in the next samples, [n, D]."""
        if self.seen == 0 and len(features):
            self.origin = features.double().mean(dim=0)
        start = 0
        while start < len(features):
            group = min(self.groups - 1, self.seen * self.groups // self.total)
            end = -(-(group + 1) * self.total // self.groups) if group < self.groups - 1 else self.total
            part = features[start : start + max(1, end - self.seen)].double() - self.origin
            self.counts[group] += len(part)
            self.sums[group] += part.sum(dim=0)
            self.products[group].addmm_(part.T, part)
            self.seen += len(part)
            start += len(part)

    def gaussian(self, weights: Tensor | None = None) -> Gaussian:
        """Mean and covariance (divided by n - 1) of all samples, or of the groups as often as `weights` [groups] says.

        Raises:
            ValueError: fewer than two samples.
        """
        weights = torch.ones(self.groups, dtype=torch.float64) if weights is None else weights
        count = float(weights @ self.counts)
        if count < 2:
            raise ValueError(f"{count:.0f} samples; a covariance needs at least 2")
        mean = weights @ self.sums / count
        product = (weights @ self.products.flatten(1)).view(self.dimensions, self.dimensions)
        return Gaussian(mean + self.origin, (product - count * torch.outer(mean, mean)) / (count - 1))


def moments(features: Tensor, grouped: bool = True) -> Moments:
    """The sums over a matrix of features [N, D]."""
    found = Moments(features.shape[1], len(features), grouped)
    for block in blocks(features):
        found.add(block)
    return found


def root(covariance: Tensor) -> Tensor:
    """The symmetric square root of a covariance [D, D]."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def frechet_distance_of(real: Gaussian, fake: Gaussian, real_root: Tensor | None = None) -> float:
    """The squared Fréchet (2-Wasserstein) distance of two Gaussians.

    |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)) (Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X, eq. 4;
    Heusel et al. 2017, arXiv:1706.08500, eq. 6). The eigenvalues of S_1 S_2 are those of the symmetric
    S_1^(1/2) S_2 S_1^(1/2), so the trace of its root is a sum of real roots: it has no imaginary part, and a
    covariance without full rank, as of a collapsed generator, is nothing special. These roots are the singular values
    of S_1^(1/2) S_2^(1/2), whose rounding is that of a deviation; the root of a rounded eigenvalue loses half of the
    digits of the smallest ones.

    Args:
        real_root: the root of the real covariance, where many distances from it are wanted. These are then computed by
            eigenvalues, in a third to a sixth of the time; their rounding stays far below what a bootstrap looks for.
    """
    if real_root is None:
        roots = torch.linalg.svdvals(root(real.covariance) @ root(fake.covariance))
    else:
        inner = real_root @ fake.covariance @ real_root
        roots = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp(min=0).sqrt()
    shift = (real.mean - fake.mean).square().sum()
    # Rounding may leave a zero distance a little below zero.
    return max(0.0, float(shift + real.covariance.trace() + fake.covariance.trace() - 2 * roots.sum()))


def frechet_distance(real: Any, fake: Any) -> float:
    """The Fréchet distance of Gaussians fitted to two sets of features: FID, where they are Inception's.

    At least 0, and 0 for equal sets; two finite samples of one distribution are about D/n + D(D + 1)/4n apart a side.
    The formula is `frechet_distance_of`'s; covariances are divided by n - 1.

    Args:
        real: [N, D], N at least 2.
        fake: [M, D], M at least 2.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    first, second = pair_of(real, fake, least=2)
    return frechet_distance_of(moments(first, grouped=False).gaussian(), moments(second, grouped=False).gaussian())


def distance_error(real: Gaussian, fake: Moments, generator: torch.Generator) -> float:
    """The standard error of the distance over fake samples, by a bootstrap of random halves.

    Half of the groups are drawn without replacement, again and again: the deviation of what half of the samples give
    estimates that of what all of them give (McCarthy 1969, doi:10.2307/1402116). Drawing with replacement would add
    the fluctuating bias of repeated samples, which is larger than the error itself where real and fake are close. It
    takes the same time and memory however many samples there are; nan with fewer than four groups. Where fake and
    real are one and the same distribution, the error is of second order and this is too large, by up to the root of 3.
    """
    if fake.groups < 4:
        return float("nan")
    half = root(real.covariance)
    found = []
    for _ in range(REPLICATES):
        chosen = torch.randperm(fake.groups, generator=generator)[: fake.groups // 2]
        found.append(frechet_distance_of(real, fake.gaussian(_counted(chosen, fake.groups)), half))
    return _deviation(found)


def limit(real: Gaussian, fake: Moments, generator: torch.Generator, error: bool = True) -> tuple[float, float]:
    """The distance that endless fake samples would have, and its standard error by random halves.

    The intercept of a line through the distances at 15 sample sizes, over 1/n (Chong and Forsyth 2020,
    arXiv:1911.07023, section 3.2); the sizes here are whole groups, from half of the samples to all. It removes the
    fake side's bias; that of the real side stays.

    Args:
        error: whether the standard error is wanted, which takes up to 40 times as long; it errs on the large side.

    Returns: (limit, standard error); nan for what is not wanted, and for both with fewer than 20 groups.
    """
    if fake.groups < FEWEST_GROUPS:
        return float("nan"), float("nan")
    half = root(real.covariance)
    replicates = next(count for most, count in LIMIT_REPLICATES.items() if fake.dimensions <= most)
    orders = [torch.randperm(fake.groups, generator=generator) for _ in range(replicates + 1)]
    halves = [_intercept(real, fake, half, order[: fake.groups // 2]) for order in orders[1:] if error]
    return _intercept(real, fake, half, orders[0]), _deviation(halves) if error else float("nan")


def _intercept(real: Gaussian, fake: Moments, half: Tensor, order: Tensor) -> float:
    """The line's value at 1/n = 0, through the distances of the first groups of `order`."""
    inverse, distances = [], []
    for size in torch.linspace(len(order) / 2, len(order), SIZES).round().long().unique().tolist():
        weights = _counted(order[:size], fake.groups)
        inverse.append(1 / float(weights @ fake.counts))
        distances.append(frechet_distance_of(real, fake.gaussian(weights), half))
    over, values = torch.tensor(inverse, dtype=torch.float64), torch.tensor(distances, dtype=torch.float64)
    slope = ((over - over.mean()) * (values - values.mean())).sum() / (over - over.mean()).square().sum()
    return float(values.mean() - slope * over.mean())


def _counted(chosen: Tensor, groups: int) -> Tensor:
    return torch.bincount(chosen, minlength=groups).double()


def _deviation(found: list[float]) -> float:
    return float(torch.tensor(found, dtype=torch.float64).std())
