"""Two data sets side by side, without pairs: what a game that translates images learns from."""

import hashlib

import torch
from torch import Tensor

from ganctl.data.dataset import Dataset, ImageSet, Kind
from ganctl.data.samples import Samples
from ganctl.numerics.streams import Streams


class Domains:
    """Images of a target domain, and beside each of them any image of a source domain.

    Everything that a data set says of itself is said of the target. Samples carry the images of the source as
    "source", and their classes as "source_labels" where there are any.

    Args:
        target: what is generated and measured.
        source: what is translated; drawn in an order of its own, so that no two images are a pair.
    """

    kind: Kind = "images"

    def __init__(self, target: ImageSet, source: ImageSet) -> None:
        self.target, self.source = target, source
        source.order = "data_order/source"
        self.shape, self.classes, self.epoch_size = target.shape, target.classes, target.epoch_size
        both = f"{target.fingerprint}{source.fingerprint}"
        self.fingerprint = hashlib.sha256(both.encode()).hexdigest()
        self.left_out = {**target.left_out, **source.left_out}

    def to(self, device: torch.device) -> "Domains":
        """Moves both to `device`."""
        self.target.to(device)
        self.source.to(device)
        return self

    def batch(self, index: int, size: int, streams: Streams) -> Samples:
        """A batch of each, in orders of their own."""
        return _beside(self.target.batch(index, size, streams), self.source.batch(index, size, streams))

    def take(self, rows: Tensor) -> Samples:
        """The images of the target with these numbers, and those of the source, from its beginning where it ends."""
        return _beside(self.target.take(rows), self.source.take(rows % self.source.epoch_size))

    def reference(self, count: int) -> tuple[Samples, Samples]:
        """Two separate sets of each domain."""
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
    """The samples that generated ones are measured against: of two domains the target."""
    return dataset.target if isinstance(dataset, Domains) else dataset
