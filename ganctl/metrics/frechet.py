"""The Fréchet distance of Gaussians fitted to features, its standard error, its limit for infinitely many samples."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ganctl.metrics.matrices import blocks, pair_of

SIZES = 15  # number of sample sizes from which the limit is extrapolated
GROUP_BYTES = 64 * 2**20  # memory for the sums of all groups
FEWEST = 20  # the smallest number of groups for a limit, whatever their memory, and of samples for an error


@dataclass
class Gaussian:
    """Mean [D] and covariance [D, D] of features, float64.

    Attributes:
        samples: the samples that it was fitted to, [n, D]; None if they were not kept.
    """

    mean: Tensor
    covariance: Tensor
    samples: Tensor | None = None

    @cached_property
    def root(self) -> Tensor:
        """A matrix R [k, D] such that R^T R is the covariance.

        For few samples R consists of their differences from the mean, which takes no time and loses no digits;
        otherwise R is the symmetric square root.
        """
        if self.samples is not None and len(self.samples) <= len(self.mean) / 2:
            return (self.samples.double() - self.mean) / math.sqrt(len(self.samples) - 1)
        values, vectors = torch.linalg.eigh(self.covariance)
        return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


@dataclass
class Moments:
    """Sums over features that arrive in chunks, kept per group of consecutive samples, so that memory does not grow.

    Samples must arrive in random order: the groups then differ only by chance, and a few of them form a smaller random
    sample.

    Args:
        dimensions: number of features.
        total: number of samples that will arrive.
        grouped: whether to keep several groups; otherwise all samples are one group.
    """

    dimensions: int
    total: int
    grouped: bool = True
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        most = max(FEWEST, min(100, GROUP_BYTES // (8 * self.dimensions**2))) if self.grouped else 1
        self.groups = max(1, min(most, self.total // 2))
        self.counts = torch.zeros(self.groups, dtype=torch.float64)
        self.sums = torch.zeros(self.groups, self.dimensions, dtype=torch.float64)
        self.products = torch.zeros(self.groups, self.dimensions, self.dimensions, dtype=torch.float64)
        # Sums relative to a point near the mean lose no digits; the first chunk's mean is near enough.
        self.origin = torch.zeros(self.dimensions, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        """Adds the features of the next samples, [n, D]."""
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
        """Mean and covariance (divided by n - 1) of all samples.

        Args:
            weights: how often each group counts, [groups]; None: once.

        Raises:
            ValueError: there are fewer than two samples.
        """
        weights = torch.ones(self.groups, dtype=torch.float64) if weights is None else weights
        count = float(weights @ self.counts)
        if count < 2:
            raise ValueError(f"{count:.0f} samples; a covariance needs at least 2")
        mean = weights @ self.sums / count
        product = (weights @ self.products.flatten(1)).view(self.dimensions, self.dimensions)
        return Gaussian(mean + self.origin, (product - count * torch.outer(mean, mean)) / (count - 1))


def moments(features: Tensor, grouped: bool = True) -> Moments:
    """The moments of a matrix of features [N, D]."""
    found = Moments(features.shape[1], len(features), grouped)
    for block in blocks(features):
        found.add(block)
    return found


def fitted(features: Tensor) -> Gaussian:
    """The Gaussian fitted to a matrix of features [N, D]."""
    return replace(moments(features, grouped=False).gaussian(), samples=features)


def frechet_distance_of(real: Gaussian, fake: Gaussian, real_root: Tensor | None = None) -> float:
    """The squared Fréchet (2-Wasserstein) distance of two Gaussians.

    |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)) (Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X, eq. 4;
    Heusel et al. 2017, arXiv:1706.08500, eq. 6). The eigenvalues of S_1 S_2 are those of the symmetric matrix
    S_1^(1/2) S_2 S_1^(1/2), so the trace of the root is a sum of real roots: it has no imaginary part, and a covariance
    without full rank (a collapsed generator's) needs no special case. These roots are the singular values of
    S_1^(1/2) S_2^(1/2). Computing them directly is more precise than taking roots of rounded eigenvalues, which loses
    half of the digits of the smallest ones.

    Args:
        real_root: a root of the real covariance, for many distances from one real Gaussian. The distance is then
            computed from eigenvalues, in a third to a sixth of the time; its rounding error stays far below the
            sampling error.
    """
    if real_root is None:
        roots = torch.linalg.svdvals(real.root @ fake.root.T)
    else:
        inner = real_root @ fake.covariance @ real_root.T
        roots = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp(min=0).sqrt()
    shift = (real.mean - fake.mean).square().sum()
    # Rounding can make a zero distance slightly negative.
    return max(0.0, float(shift + real.covariance.trace() + fake.covariance.trace() - 2 * roots.sum()))


def frechet_distance(real: Any, fake: Any) -> float:
    """The Fréchet distance of Gaussians fitted to two sets of features: FID if the features are Inception's.

    At least 0, and 0 for equal sets. For two samples of one distribution, a sample of size n contributes about
    D/n + D(D + 1)/4n. The formula is that of `frechet_distance_of`; covariances are divided by n - 1.

    Args:
        real: [N, D], N at least 2.
        fake: [M, D], M at least 2.

    Raises:
        ValueError: the shapes do not fit, or a number is not finite.
    """
    first, second = pair_of(real, fake, least=2)
    return frechet_distance_of(fitted(first), fitted(second))


def influences(real: Gaussian, fake: Gaussian, rows: Tensor) -> Tensor:
    """The influence of each fake sample on the distance, up to a constant: float64 [n].

    With the map T that carries the fake Gaussian to the real one, T = S_1^(1/2) (S_1^(1/2) S_2 S_1^(1/2))^(-1/2)
    S_1^(1/2) (Dowson and Landau 1982), a sample at m_2 + d has the influence 2 d.(m_2 - m_1) + d.d - d.T d. Directions
    without fake samples contribute nothing, so a covariance without full rank needs no special case here either.

    Args:
        rows: the fake samples, or a random part of them, [n, D].
    """
    inner = real.root @ fake.covariance @ real.root.T
    values, vectors = torch.linalg.eigh((inner + inner.T) / 2)
    there = values > values.max() * len(values) * torch.finfo(torch.float64).eps
    carried = real.root.T @ vectors[:, there] * values[there].pow(-0.25)
    shift = 2 * (fake.mean - real.mean)
    found = []
    for block in blocks(rows):
        away = block - fake.mean
        found.append(away @ shift + away.square().sum(dim=1) - (away @ carried).square().sum(dim=1))
    return torch.cat(found)


def distance_error(moved: Tensor, count: int) -> float:
    """The standard error of the distance due to the finite number of fake samples, by the infinitesimal jackknife.

    It is the standard deviation of the samples' influences, divided by the square root of their number (Jaeckel 1972;
    Efron 1982, doi:10.1137/1.9781611970319, chapter 6). This is the error of first order. If fake and real samples have
    the same distribution, the error is of second order and this estimate too large, by a factor of up to sqrt(2). A
    bootstrap with replacement would add the fluctuating bias of repeated samples, which is larger than the error
    (docs/log.md).

    Args:
        moved: the `influences` of the samples, or of a random part of them.
        count: number of all samples.

    Returns: the standard error; nan with fewer than 20 influences.
    """
    return float(moved.std()) / math.sqrt(count) if len(moved) >= FEWEST else math.nan


def limit(
    real: Gaussian, fake: Moments, generator: torch.Generator, moved: Tensor | None = None
) -> tuple[float, float]:
    """The distance for infinitely many fake samples, and its standard error.

    It is the intercept of a line fitted to the distances at 15 sample sizes n, as a function of 1/n (Chong and Forsyth
    2020, arXiv:1911.07023, section 3.2). The sizes are whole groups in random order, from half of the samples to all.
    This removes the bias from the number of fake samples; the bias from the real ones stays. The intercept is a
    weighted sum of the distances, so a sample's influence on it is the weighted sum of its influences on the distances.

    Args:
        moved: the `influences` of the first samples; None: the error is not computed.

    Returns: (limit, standard error). The error is nan without `moved`; both are nan with fewer than 20 groups.
    """
    if fake.groups < FEWEST:
        return math.nan, math.nan
    order = torch.randperm(fake.groups, generator=generator)
    sizes = torch.linspace(len(order) / 2, len(order), SIZES).round().long().unique().tolist()
    inverse, distances = [], []
    for size in sizes:
        weights = torch.bincount(order[:size], minlength=fake.groups).double()
        inverse.append(1 / float(weights @ fake.counts))
        distances.append(frechet_distance_of(real, fake.gaussian(weights), real.root))
    over, values = torch.tensor(inverse, dtype=torch.float64), torch.tensor(distances, dtype=torch.float64)
    off = over - over.mean()
    slope = (off * (values - values.mean())).sum() / off.square().sum()
    found = float(values.mean() - slope * over.mean())
    if moved is None:
        return found, math.nan
    # The weight of each distance in the intercept; each distance is a mean over the samples of its groups.
    counts = 1 / len(sizes) - over.mean() * off / off.square().sum()
    shares = torch.zeros(fake.groups, dtype=torch.float64)
    for size, each in zip(sizes, counts * over, strict=True):
        shares[order[:size]] += each
    known = shares.repeat_interleave(fake.counts.long())[: len(moved)] * (moved - moved.mean())
    return found, math.sqrt(float(known.square().sum()) * fake.seen / len(moved))
