"""Metrics from nearest neighbours: precision and recall, density and coverage, and memorization of training data."""

from typing import Any

import torch
from torch import Tensor

from ganctl.metrics.matrices import pair_of

BLOCK = 1000  # rows of a block of the distance matrix, which is never in memory as a whole


def precision_recall(real: Any, fake: Any, neighbours: int = 3) -> tuple[float, float]:
    """The share of fake samples inside the real manifold, and of real samples inside the fake one.

    A set's manifold is the union of balls around its samples, each with the distance to its k-th nearest neighbour in
    the set as radius (Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1 to 3). Both are in [0, 1], and below 1 even for
    two samples of one distribution.

    Args:
        real: [N, D], N greater than `neighbours`.
        fake: [M, D], M greater than `neighbours`.
        neighbours: k.

    Returns: (precision, recall).

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    found = neighbourhoods(real, fake, neighbours, neighbours)
    return float(found["precision"].mean()), float(found["recall"].mean())


def density_coverage(real: Any, fake: Any, neighbours: int = 5) -> tuple[float, float]:
    """The number of real neighbourhoods that a fake sample lies in, and the share of those with a fake sample.

    A neighbourhood is the open ball around a real sample up to its k-th nearest real neighbour (Naeem et al. 2020,
    arXiv:2002.09797, eq. 5 and 6). Density is the mean number divided by k: at least 0, on average 1 for the same
    distribution, and above 1 if samples crowd. Coverage is in [0, 1], and nearly 1 - 2^-k for equally many samples of
    the same distribution.

    Args:
        real: [N, D], N greater than `neighbours`.
        fake: [M, D], M greater than `neighbours`.
        neighbours: k.

    Returns: (density, coverage).

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    found = neighbourhoods(real, fake, neighbours, neighbours)
    return float(found["density"].mean()), float(found["coverage"].mean())


def neighbourhoods(real: Any, fake: Any, manifold: int, ball: int) -> dict[str, Tensor]:
    """The values per sample whose means are precision, recall, density and coverage, in one pass over the distances.

    Args:
        real: [N, D].
        fake: [M, D].
        manifold: k of precision and recall.
        ball: k of density and coverage.

    Returns: {name: float64 tensor}: `precision` [M], `recall` [N], `density` [M], `coverage` [N].

    Raises:
        ValueError: a set does not have more than k samples, the shapes do not fit, or a number is not finite.
    """
    most = max(manifold, ball)
    if min(manifold, ball) < 1:
        raise ValueError(f"{min(manifold, ball)} neighbours; give at least 1")
    first, second = _centred(*pair_of(real, fake, least=most + 1))
    real_radii, fake_radii = _radii(first, most), _radii(second, manifold)[:, manifold - 1]
    reach, near = real_radii[:, manifold - 1], real_radii[:, ball - 1]
    count, other = len(first), len(second)
    sizes = {"precision": other, "recall": count, "density": other, "coverage": count}
    found = {name: torch.zeros(size, dtype=torch.float64) for name, size in sizes.items()}
    for start in range(0, count, BLOCK):
        rows = slice(start, start + BLOCK)
        for place in range(0, other, BLOCK):
            columns = slice(place, place + BLOCK)
            apart = _squared(first[rows], second[columns])
            found["precision"][columns].logical_or_((apart <= reach[rows, None]).any(dim=0))
            found["recall"][rows].logical_or_((apart <= fake_radii[columns]).any(dim=1))
            inside = apart < near[rows, None]
            found["density"][columns] += inside.sum(dim=0).double() / ball
            found["coverage"][rows].logical_or_(inside.any(dim=1))
    return found


def nearest(samples: Any, others: Any) -> tuple[Tensor, Tensor]:
    """For each of `samples` [M, D] the nearest of `others` [N, D]: its distance, float64 [M], and its row, int64 [M].

    Raises:
        ValueError: the shapes do not fit, or a number is not finite.
    """
    return _nearest(*pair_of(others, samples, names=("others", "samples")))


def _nearest(others: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    second, first = _centred(others, samples)
    distances, rows = [], []
    for block in first.split(BLOCK):
        best = [_squared(block, part).min(dim=1) for part in second.split(BLOCK)]
        chosen = torch.stack([part.values for part in best]).argmin(dim=0, keepdim=True)
        places = torch.stack([part.indices + number * BLOCK for number, part in enumerate(best)])
        rows.append(places.gather(0, chosen).squeeze(0))
        # Computed by subtraction, so that copies have a distance of exactly 0.
        distances.append((block - second[rows[-1]]).norm(dim=1))
    return torch.cat(distances), torch.cat(rows)


def memorization(train: Any, held_out: Any, fake: Any) -> Tensor:
    """Whether each fake sample is nearer to a training sample than to any held-out one: float64 [M] of 0, 1/2 and 1.

    The mean is 1/2 for a generator that learned the distribution, above 1/2 if it reproduces training samples, and 1
    for copies of them. This holds for equally large sets, so the larger set is cut to the size of the smaller one.

    Args:
        train: samples that the generator was trained on, [N, D], in random order.
        held_out: samples of the same distribution that it was not trained on, [K, D], in random order.
        fake: generated samples, [M, D].

    Raises:
        ValueError: the shapes do not fit, or a number is not finite.
    """
    seen, samples = pair_of(train, fake, names=("train", "fake"))
    unseen, _ = pair_of(held_out, fake, names=("held_out", "fake"))
    count = min(len(seen), len(unseen))
    known, unknown = (_nearest(rows[:count], samples)[0] for rows in (seen, unseen))
    return (known < unknown).double() + (known == unknown).double() / 2


def _centred(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both sets in float64, moved by the same vector to near the origin, where squared distances lose no digits."""
    one, other = first.double(), second.double()
    origin = one.mean(dim=0).round()  # whole numbers stay whole, so that exact ties stay ties
    return one - origin, other - origin


def _squared(first: Tensor, second: Tensor) -> Tensor:
    """The squared distances between the rows of both, [n, m]."""
    squares = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1)
    return squares.addmm_(first, second.T, alpha=-2).clamp_(min=0)


def _radii(samples: Tensor, most: int) -> Tensor:
    """The squared distances from each sample to its `most` nearest others, [N, most], the nearest first."""
    found = []
    for start in range(0, len(samples), BLOCK):
        rows = samples[start : start + BLOCK]
        best = torch.full((len(rows), most), float("inf"), dtype=torch.float64)
        for place in range(0, len(samples), BLOCK):
            apart = _squared(rows, samples[place : place + BLOCK])
            if place == start:
                apart.fill_diagonal_(float("inf"))  # a sample is not its own neighbour
            best = torch.cat([best, apart], dim=1).topk(most, largest=False).values
        found.append(best)
    return torch.cat(found)
