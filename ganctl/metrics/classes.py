"""What a classifier sees in samples: the inception score, the balance of classes, and diversity within a class."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganctl.metrics.matrices import blocks, pair_of, rows_of

SPLITS = 10
PRESENT = 0.1  # share of a class among samples, relative to that in the data, from which on it counts as present


def inception_score(probabilities: Any, splits: int | None = None) -> tuple[float, float]:
    """exp E KL(p(y|x) || p(y)) over a classifier's class probabilities, on consecutive parts of the samples.

    Salimans et al. 2016, arXiv:1606.03498, section 4. In [1, K]: 1 where every sample has the same probabilities, K
    where samples are sure and classes equally frequent. It sees neither collapse within a class nor copies.

    Args:
        probabilities: [N, K], rows that sum to 1, in random order.
        splits: into how many parts; None: 10, or as many as have 10 samples each, at least 1.

    Returns: mean and standard deviation over the parts.

    Raises:
        ValueError: no matrix, more parts than samples, or rows that are no probabilities.
    """
    rows = rows_of(probabilities, "probabilities")
    count = len(rows)
    splits = max(1, min(SPLITS, count // 10)) if splits is None else splits
    if not 1 <= splits <= count:
        raise ValueError(f"{splits} splits of {count} samples; give at least 1 and at most as many as samples")
    if any(bool((part < 0).any()) or bool(((part.sum(dim=1) - 1).abs() > 1e-3).any()) for part in blocks(rows)):
        raise ValueError("probabilities: rows must be at least 0 and sum to 1; give a softmax of the logits")
    scores = []
    for place in range(splits):
        part = rows[place * count // splits : (place + 1) * count // splits]
        sums = torch.zeros(rows.shape[1], dtype=torch.float64)
        sure = 0.0  # sum of p log p
        for block in blocks(part):
            sums += block.sum(dim=0)
            sure += float(torch.special.xlogy(block, block).sum())
        shares = sums / len(part)
        scores.append(math.exp(sure / len(part) - float(torch.special.xlogy(shares, shares).sum())))
    return float(np.mean(scores)), float(np.std(scores))


def matched(codes: Tensor, classes: Tensor, count: int) -> Tensor:
    """Whether each sample has the class that its code stands for, float64 [N].

    Each code stands for one class and each class for one code, so that as many samples as possible agree (the
    assignment of Kuhn 1955, doi:10.1002/nav.3800020109).

    Args:
        codes: int64 [N].
        classes: int64 [N], in [0, count).
        count: of classes.
    """
    from scipy.optimize import linear_sum_assignment

    rows = int(codes.max()) + 1
    table = torch.bincount(codes * count + classes, minlength=rows * count).view(rows, count)
    meant = torch.full((rows,), -1)
    ours, theirs = linear_sum_assignment(table.numpy(), maximize=True)
    meant[torch.from_numpy(ours)] = torch.from_numpy(theirs)
    return (meant[codes] == classes).double()


def class_shares(classes: Tensor, count: int) -> Tensor:
    """The share of each class among predictions int64 [N], float64 [count]."""
    return torch.bincount(classes, minlength=count).double() / max(1, len(classes))


def modes_present(shares: Tensor, real_shares: Tensor) -> int:
    """Classes of the data that samples have: those with at least a tenth of their share in the data.

    A classifier errs, so one sample of a class does not show that the generator makes it.

    Args:
        shares: of the classes among samples, [K].
        real_shares: of the classes in the data, [K].
    """
    return int(((shares >= PRESENT * real_shares) & (real_shares > 0)).sum())


def class_divergence(shares: Tensor, real_shares: Tensor) -> float:
    """KL(q || p) in nats of the class shares of samples, q [K], from those of the data, p [K].

    0 for equal shares; about (K - 1)/2N for N samples of the data; infinite where samples have a class that the data
    lack.
    """
    there = shares > 0
    if bool((real_shares[there] == 0).any()):
        return math.inf
    return max(0.0, float((shares[there] * (shares[there] / real_shares[there]).log()).sum()))


def class_diversity(real: Tensor, real_classes: Tensor, fake: Tensor, fake_classes: Tensor) -> Tensor:
    """How far apart fake samples of a class are, relative to real ones: for each fake sample, float64 [M].

    Each class counts by its mean squared distance between two of its samples, which is twice the trace of its
    covariance; a sample by its own squared distance to its class's mean. The mean is 1 for the same distribution and 0
    where each class is one image. Samples of a class with fewer than two fake or two different real samples are nan.

    Args:
        real: features [N, D].
        real_classes: int64 [N].
        fake: features [M, D].
        fake_classes: int64 [M].

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    real, fake = pair_of(real, fake)
    found = torch.full((len(fake),), math.nan, dtype=torch.float64)
    for label in fake_classes.unique():
        ours, theirs = fake[fake_classes == label].double(), real[real_classes == label].double()
        if len(ours) < 2 or len(theirs) < 2:
            continue
        spread = theirs.var(dim=0).sum()
        if spread == 0:
            continue
        own = (ours - ours.mean(dim=0)).square().sum(dim=1) * (len(ours) / (len(ours) - 1))
        found[fake_classes == label] = own / spread
    return found
