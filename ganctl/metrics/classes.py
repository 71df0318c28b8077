"""Metrics from a classifier's output: the inception score, the balance of classes, the diversity within a class."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganctl.metrics.matrices import blocks, pair_of, rows_of

SPLITS = 10
PRESENT = 0.1  # a class is present if its share among samples, divided by its share in the data, is at least this


def inception_score(probabilities: Any, splits: int | None = None) -> tuple[float, float]:
    """exp E KL(p(y|x) || p(y)) over a classifier's class probabilities, on consecutive parts of the samples.

    Salimans et al. 2016, arXiv:1606.03498, section 4. In [1, K]: 1 if all samples have the same probabilities, K if
    the classifier is sure of each sample and all classes are equally frequent. It detects neither collapse within a
    class nor copies of training images.

    Args:
        probabilities: [N, K], in random order; each row sums to 1.
        splits: number of parts; None: 10, or fewer so that each part has at least 10 samples, but at least 1.

    Returns: mean and standard deviation over the parts.

    Raises:
        ValueError: `probabilities` is not a matrix of probabilities, or there are more parts than samples.
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
    """Whether each sample's class is the one assigned to its code: float64 [N] of 0 and 1.

    Codes and classes are assigned one to one, so that as many samples as possible agree (the assignment problem, Kuhn
    1955, doi:10.1002/nav.3800020109).

    Args:
        codes: the samples' codes, int64 [N].
        classes: the samples' predicted classes, int64 [N], in [0, count).
        count: number of classes.
    """
    from scipy.optimize import linear_sum_assignment

    rows = int(codes.max()) + 1
    table = torch.bincount(codes * count + classes, minlength=rows * count).view(rows, count)
    meant = torch.full((rows,), -1)
    ours, theirs = linear_sum_assignment(table.numpy(), maximize=True)
    meant[torch.from_numpy(ours)] = torch.from_numpy(theirs)
    return (meant[codes] == classes).double()


def class_shares(classes: Tensor, count: int) -> Tensor:
    """The share of each class, float64 [count], among the predicted `classes`, int64 [N]."""
    return torch.bincount(classes, minlength=count).double() / max(1, len(classes))


def modes_present(shares: Tensor, real_shares: Tensor) -> int:
    """The number of classes that are present among samples, with at least a tenth of their share in the data.

    A classifier errs, so a single sample of a class does not show that the generator produces that class.

    Args:
        shares: shares of the classes among samples, [K].
        real_shares: shares of the classes in the data, [K].
    """
    return int(((shares >= PRESENT * real_shares) & (real_shares > 0)).sum())


def class_divergence(shares: Tensor, real_shares: Tensor) -> float:
    """KL(q || p) in nats, for the class shares q [K] of samples and p [K] of the data.

    0 for equal shares; about (K - 1)/2N for N samples of the data; infinite if samples have a class that the data lack.
    """
    there = shares > 0
    if bool((real_shares[there] == 0).any()):
        return math.inf
    return max(0.0, float((shares[there] * (shares[there] / real_shares[there]).log()).sum()))


def class_diversity(real: Tensor, real_classes: Tensor, fake: Tensor, fake_classes: Tensor) -> Tensor:
    """The diversity of fake samples within their class, relative to real samples: per fake sample, float64 [M].

    A class's diversity is the mean squared distance between two of its samples, which is twice the trace of its
    covariance. A sample's contribution is its squared distance to its class's mean. The mean over samples is 1 for the
    same distribution, and 0 if each class is a single image. Samples of a class with fewer than two fake or two
    different real samples are nan.

    Args:
        real: features of real samples, [N, D].
        real_classes: their classes, int64 [N].
        fake: features of fake samples, [M, D].
        fake_classes: their classes, int64 [M].

    Raises:
        ValueError: the shapes do not fit, or a number is not finite.
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
