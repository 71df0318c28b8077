"""Two unpaired data sets, for games that translate images."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganctl.data.dataset import Dataset, ImageSet, Kind
from ganctl.data.samples import Samples
from ganctl.numerics.streams import Streams


@dataclass(frozen=True)
class Truth:
    """The right translation between two domains, for images [N, C, H, W] within [0, 1].

    Attributes:
        forward: source images to target images.
        backward: target images to source images.
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor], Tensor]


class Domains:
    """Images of a target domain, each together with an unrelated image of a source domain.

    The attributes `shape` and `classes` are those of the target; an epoch is as long as that of the smaller domain. The
    samples' `more` holds the source images as "source", and their classes, if known, as "source_labels".

    Args:
        target: the domain to generate and to measure.
        source: the domain to translate from, drawn in an independent order, so that images are not paired.
        truth: the right translation, if it is known.

    Attributes:
        held_out: images of both domains that are not used in training; None if there are none.
    """

    kind: Kind = "images"

    def __init__(self, target: ImageSet, source: ImageSet, truth: Truth | None = None) -> None:
        self.target, self.source, self.truth = target, source, truth
        self.held_out: Domains | None = None
        source.order = "data_order/source"
        self.shape, self.classes = target.shape, target.classes
        self.epoch_size = min(target.epoch_size, source.epoch_size)
        both = f"{target.fingerprint}{source.fingerprint}"
        self.fingerprint = hashlib.sha256(both.encode()).hexdigest()
        self.left_out = {**target.left_out, **source.left_out}
        self.class_names = target.class_names
        counts = [{key: n for key, n in each.files.items() if isinstance(n, int)} for each in (target, source)]
        self.files = {key: sum(each.get(key, 0) for each in counts) for key in {**counts[0], **counts[1]}}
        labels = [target.labels_fingerprint, source.labels_fingerprint]
        self.labels_fingerprint = hashlib.sha256(repr(labels).encode()).hexdigest() if any(labels) else None

    def reversed(self) -> "Domains":
        """The same images with source and target exchanged."""
        truth = self.truth and Truth(self.truth.backward, self.truth.forward)
        found = Domains(self.source, self.target, truth)
        self.source.order, self.target.order = "data_order", "data_order/source"
        found.held_out = self.held_out and self.held_out.reversed()
        return found

    def to(self, device: torch.device) -> "Domains":
        """Moves both data sets to `device`."""
        self.target.to(device)
        self.source.to(device)
        return self

    def batch(self, index: int, size: int, streams: Streams) -> Samples:
        """A batch of each domain, in independent orders."""
        return _beside(self.target.batch(index, size, streams), self.source.batch(index, size, streams))

    def take(self, rows: Tensor) -> Samples:
        """The target images with these indices, and the source images with these indices modulo its size."""
        return _beside(self.target.take(rows), self.source.take(rows % self.source.epoch_size))

    def reference(self, count: int) -> tuple[Samples, Samples]:
        """Two disjoint sets of each domain, on the CPU."""
        targets, sources = self.target.reference(count), self.source.reference(count)
        one, other = (
            _beside(target.rows(slice(len(source))), source.rows(slice(len(target))))
            for target, source in zip(targets, sources, strict=True)
        )
        return one, other


def _beside(target: Samples, source: Samples) -> Samples:
    more = {"source": source.data}
    if source.labels is not None:
        more["source_labels"] = source.labels
    return Samples(target.data, target.labels, more)


def measured_in(dataset: Dataset) -> Dataset:
    """The data set against which generated samples are measured: the target of two domains, or `dataset` itself."""
    return dataset.target if isinstance(dataset, Domains) else dataset
