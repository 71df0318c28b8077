"""As many samples of each class."""

import torch
from torch import Tensor

from ganctl.errors import BadInput


def balanced_rows(labels: Tensor, count: int, order: torch.Generator) -> Tensor:
    """Which `count` of labelled samples to take so that there are as many of each class, chosen by `order`.

    Args:
        labels: the class of each sample, int64 [N].

    Returns: row numbers int64 [count], class after class in turn, so that classes are within one of each other.

    Raises:
        BadInput: a class has too few.
    """
    classes = int(labels.max()) + 1
    shuffled = torch.randperm(len(labels), generator=order).to(labels.device)
    each = -(-count // classes)
    rows = [shuffled[labels[shuffled] == kind][:each] for kind in range(classes)]
    fewest = min(map(len, rows))
    if fewest < each:
        raise BadInput(
            f"{count} images with a label: the rarest of {classes} classes has {fewest}; ask for at most "
            f"{classes * fewest}"
        )
    return torch.stack(rows, dim=1).flatten()[:count]
