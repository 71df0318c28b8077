"""What nearest neighbours tell: precision and recall, density and coverage, and whether training images come back."""

from typing import Any

import torch
from torch import Tensor

from ganctl.metrics.matrices import pair_of

BLOCK = 1000  # rows of a distance matrix at once; the whole is never there


def precision_recall(real: Any, fake: Any, neighbours: int = 3) -> tuple[float, float]:
    """The share of fake samples inside the real manifold, and of real samples inside the fake one.

    A set's manifold is the union of balls around its samples, each reaching its k-th nearest neighbour in that set
    (Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1 to 3). Both in [0, 1]; less than 1 for two samples of one
    distribution.

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
    """How many real neighbourhoods a fake sample lies in, and the share of real neighbourhoods with a fake sample.

    A neighbourhood is the open ball around a real sample up to its k-th nearest real neighbour (Naeem et al. 2020,
    arXiv:2002.09797, eq. 5 and 6). Density is divided by k: at least 0, 1 on average for the same distribution, and
    above it where samples crowd; coverage is in [0, 1], and nearly 1 - 2^-k for equally many of the same distribution.

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
    """What `precision_recall` and `density_coverage` are the means of, in one pass over the distances.

    Args:
        manifold: k of precision and recall.
        ball: k of density and coverage.

    Returns: float64, by name: `precision` [M], `recall` [N], `density` [M], `coverage` [N].

    Raises:
        ValueError: a set has no more samples than k, shapes do not fit, or numbers are not finite.
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
    """The nearest of `others` [N, D] to each of `samples` [M, D]: its distance, float64 [M], and its row, int64 [M].

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
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
        # By subtraction: copies are at 0 exactly.
        distances.append((block - second[rows[-1]]).norm(dim=1))
    return torch.cat(distances), torch.cat(rows)


def memorization(train: Any, held_out: Any, fake: Any) -> Tensor:
    """Whether each fake sample is nearer to a training sample than to any held-out one: float64 [M] of 0, 1/2 and 1.

    Its mean is the share: 1/2 for a generator that learned the distribution, above it where training samples come
    back, 1 for copies of them. That holds for equally large sets, so the larger one is cut.

    Args:
        train: [N, D] that the generator was trained on, in random order.
        held_out: [K, D] of the same distribution that it was not, in random order.
        fake: [M, D].

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    seen, samples = pair_of(train, fake, names=("train", "fake"))
    unseen, _ = pair_of(held_out, fake, names=("held_out", "fake"))
    count = min(len(seen), len(unseen))
    known, unknown = (_nearest(rows[:count], samples)[0] for rows in (seen, unseen))
    return (known < unknown).double() + (known == unknown).double() / 2


def _centred(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float64 about one origin, near which squared distances lose no digits."""
    one, other = first.double(), second.double()
    origin = one.mean(dim=0).round()  # whole numbers stay whole, so that exact ties stay ties
    return one - origin, other - origin


def _squared(first: Tensor, second: Tensor) -> Tensor:
    """Squared distances, [n, m]."""
    squares = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1)
    return squares.addmm_(first, second.T, alpha=-2).clamp_(min=0)


def _radii(samples: Tensor, most: int) -> Tensor:
    """The squared distance from each sample to its nearest others, [N, most], the nearest first."""
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
