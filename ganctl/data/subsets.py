"""A part of a data set: what is held out of the training, and how much of the rest is trained on."""

from typing import Any

import torch
from torch import Tensor

from ganctl.data.balance import balanced_rows
from ganctl.data.dataset import ImageSet
from ganctl.errors import BadInput
from ganctl.numerics.streams import derive


def subset(images: ImageSet, options: Any) -> ImageSet:
    """The images that are trained on; those that are held out are its `held_out`.

    Both are balanced where there are labels, and chosen by fixed streams that no run's seed changes. What is held out
    does not depend on how many are trained on, and fewer of those are a part of more.

    Args:
        images: all there are.
        options: with `count`, how many are trained on (None: all that are not held out), and perhaps `hold_out`.

    Raises:
        BadInput: there are not as many, or a class would have none.
    """
    hold_out, count = getattr(options, "hold_out", 0), options.count
    if not hold_out and count is None:
        return images
    rest, held_out = torch.arange(len(images.pixels)), None
    if hold_out:
        rows = _chosen(images.labels, len(rest), "hold_out", hold_out, spare=1)
        held_out, rest = _part(images, rows), rest[~torch.isin(rest, rows)]
    if count is not None:
        labels = None if images.labels is None else images.labels[rest]
        beside = " beside those held out" if hold_out else ""
        rest = rest[_chosen(labels, len(rest), "count", count, beside=beside)]
    found = _part(images, rest)
    found.held_out, found.left_out = held_out, images.left_out
    if images.files:
        found.files = {**images.files, "trained_on": len(rest), **({"held_out": hold_out} if hold_out else {})}
    return found


def _part(images: ImageSet, rows: Tensor) -> ImageSet:
    found = ImageSet(images.pixels[rows], None if images.labels is None else images.labels[rows])
    found.class_names = images.class_names
    return found


def _chosen(labels: Tensor | None, total: int, key: str, count: int, spare: int = 0, beside: str = "") -> Tensor:
    """Rows of `total` images in their own order, as many of each class, int64 [count].

    Args:
        labels: their classes; None: any of them will do.
        key: the option that asks for them, which names their stream too.
        spare: images of each class that must be left.
        beside: which others there are, in words.

    Raises:
        BadInput: there are too few, or fewer are asked for than there are classes.
    """
    classes = 0 if labels is None else int(labels.max()) + 1
    if count < classes:
        raise BadInput(
            f"data.{key}={count}: is less than one of each of {classes} classes; use data.{key}={classes} or more"
        )
    fewest = total if labels is None else int(labels.bincount().min())
    most = max(1, classes) * (fewest - spare)
    if count > most:
        there = f"the rarest of {classes} classes has" if classes else "there are"
        left = ", and one of them must be left to train on" if spare else ""
        raise BadInput(f"data.{key}={count}: {there} {fewest:,} images{beside}{left}; use data.{key}={most} or less")
    order = torch.Generator().manual_seed(derive(0, "data", key))
    rows = torch.randperm(total, generator=order)[:count] if labels is None else balanced_rows(labels, count, order)
    return rows.sort().values
