"""The two kinds of data set, behind one face: a shape, a size, a fingerprint, and batches by number."""

import hashlib
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from ganctl.data.balance import balanced_rows
from ganctl.data.samples import Samples
from ganctl.numerics.streams import Streams, derive

Kind = Literal["points", "images", "clips"]


class Dataset(Protocol):
    """What training reads.

    Attributes:
        kind: points, images or clips; see `kind_of`.
        shape: of one sample: [2] of a point, [C, H, W] of an image, [T, C, H, W] of a clip of T frames.
        classes: kinds of labels; 0: samples have none.
        epoch_size: samples that make one epoch.
        fingerprint: SHA-256 of the samples, or of the density's definition, in hexadecimal.
        left_out: files that could not be read, each with its reason.
    """

    kind: Kind
    shape: tuple[int, ...]
    classes: int
    epoch_size: int
    fingerprint: str
    left_out: dict[str, str]

    def to(self, device: torch.device) -> "Dataset":
        """The same data set with its memory on `device`."""

    def batch(self, index: int, size: int, streams: Streams) -> Samples:
        """The batch number `index` (from 0) of a run, of `size` samples as they are stored, the same for one seed."""

    def take(self, rows: Tensor) -> Samples:
        """The samples with these numbers, int64 [N], from 0 to below `epoch_size`, as they are stored."""

    def reference(self, count: int) -> tuple[Samples, Samples]:
        """Two separate sets of up to `count` real samples each, to measure generated ones against.

        Returns: both on the CPU, as they are stored; the same whatever the seed of a run.
        """


def kind_of(dataset: Dataset) -> Kind:
    """What the samples are. A plugin's data set may leave `kind` out; then the number of its axes says it."""
    kinds: dict[int, Kind] = {3: "images", 4: "clips"}
    return getattr(dataset, "kind", None) or kinds.get(len(dataset.shape), "points")


class ImageSet:
    """Images in memory, as 8-bit integers.

    Args:
        pixels: uint8 [N, C, H, W].
        labels: the class of each, int64 [N]; None where they are unknown.
        order: name of the stream that orders each epoch; sets that are drawn side by side need different ones.

    Attributes:
        labels_fingerprint: SHA-256 of the labels, which `fingerprint` knows nothing of; None where there are none.
        left_out: files and folders that were not read, and why.
        files: of a folder: how many "pictures" were read, how many were "unreadable", how many "others" of each ending;
            where there are any, how many pictures are "transparent", "narrow" or the "first_of_several" in their file,
            how many are "trained_on" and "held_out" of a part of them.
        class_names: what the classes are called, in the order of their numbers; None where they have no names.
        held_out: images of the same kind that are left out of the training; None where there are none.
    """

    kind: Kind = "images"

    def __init__(self, pixels: Tensor, labels: Tensor | None = None, order: str = "data_order") -> None:
        assert pixels.dtype == torch.uint8 and pixels.ndim == 4
        assert labels is None or labels.shape == (len(pixels),)
        self.pixels = pixels
        self.labels = labels
        self.order = order
        self.shape: tuple[int, ...] = tuple(pixels.shape[1:])
        self.classes = 0 if labels is None else int(labels.max()) + 1
        self.epoch_size = len(pixels)
        digest = hashlib.sha256(repr(tuple(pixels.shape)).encode())
        digest.update(pixels.contiguous().numpy().data)
        self.fingerprint = digest.hexdigest()
        self.labels_fingerprint = (
            labels if labels is None else hashlib.sha256(labels.contiguous().numpy().data).hexdigest()
        )
        self.left_out: dict[str, str] = {}
        self.files: dict[str, Any] = {}
        self.class_names: list[str] | None = None
        self.held_out: ImageSet | None = None
        self._ordered: tuple[int, int] | None = None  # the seed and the epoch whose order is kept
        self._order = torch.empty(0, dtype=torch.int64)

    def to(self, device: torch.device) -> "ImageSet":
        """Moves the pixels to `device`, where every batch is then gathered."""
        self.pixels = self.pixels.to(device)
        self.labels = None if self.labels is None else self.labels.to(device)
        return self

    def batch(self, index: int, size: int, streams: Streams) -> Samples:
        """Images without replacement within an epoch; the last, incomplete batch of an epoch is left out."""
        return self.take(self._rows(index, size, streams))

    def take(self, rows: Tensor) -> Samples:
        """The images with these numbers, int64 [N], and their classes."""
        rows = rows.to(self.pixels.device)
        return Samples(self.pixels[rows], None if self.labels is None else self.labels[rows])

    def balanced(self, count: int, order: torch.Generator) -> "ImageSet":
        """`count` of the images, as many of each class, chosen by `order`.

        Raises:
            BadInput: a class has too few.
        """
        assert self.labels is not None
        chosen = balanced_rows(self.labels, count, order)
        return ImageSet(self.pixels[chosen].cpu(), self.labels[chosen].cpu()).to(self.pixels.device)

    def _rows(self, index: int, size: int, streams: Streams) -> Tensor:
        """Which images a batch has."""
        epoch, place = divmod(index, self.epoch_size // size)
        if self._ordered != (streams.seed, epoch):
            order = torch.randperm(self.epoch_size, generator=streams.fresh(self.order, epoch))
            self._order, self._ordered = order.to(self.pixels.device), (streams.seed, epoch)
        return self._order[place * size : (place + 1) * size]

    def reference(self, count: int) -> tuple[Samples, Samples]:
        """Disjoint random choices of the images, fewer of a small data set; of a single image, that one twice."""
        count = max(1, min(count, self.epoch_size // 2))
        order = torch.randperm(self.epoch_size, generator=_reference_stream()).to(self.pixels.device)
        one, other = (0, 0) if self.epoch_size == 1 else (0, count)
        return self.take(order[one : one + count]).to("cpu"), self.take(order[other : other + count]).to("cpu")


class Density:
    """A mixture of equally likely, round Gaussians, sampled exactly and without end.

    Args:
        centers: float32 [modes, 2].
        deviation: standard deviation of each mode, along each axis.
        epoch_size: points that count as one epoch.
    """

    kind: Kind = "points"

    def __init__(self, centers: Tensor, deviation: float, epoch_size: int) -> None:
        self.centers = centers
        self.device = centers.device
        self.deviation = deviation
        self.shape: tuple[int, ...] = (centers.shape[1],)
        self.classes = 0
        self.epoch_size = epoch_size
        definition = repr((centers.tolist(), deviation)).encode()
        self.fingerprint = hashlib.sha256(definition).hexdigest()
        self.left_out: dict[str, str] = {}
        self.files: dict[str, Any] = {}

    def to(self, device: torch.device) -> "Density":
        """Has its batches on `device` from now on; they are drawn on the CPU, so that they are the same everywhere."""
        self.device = device
        return self

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` exact samples, float32 [count, 2]."""
        modes = torch.randint(len(self.centers), (count,), generator=generator)
        points = self.centers[modes] + torch.randn(count, self.shape[0], generator=generator) * self.deviation
        if self.device.type == "cuda":
            points = points.pin_memory()  # so that nobody waits until they are there
        return points.to(self.device, non_blocking=True)

    def batch(self, index: int, size: int, streams: Streams) -> Samples:
        """Fresh points."""
        return Samples(self.draw(size, streams.fresh("data_order", index)))

    def take(self, rows: Tensor) -> Samples:
        """The points with these numbers: the same number is the same point in every run."""
        each = [self.draw(1, torch.Generator().manual_seed(derive(0, "point", row))) for row in rows.tolist()]
        return Samples(torch.cat(each))

    def reference(self, count: int) -> tuple[Samples, Samples]:
        """Two sets of `count` exact points."""
        stream = _reference_stream()
        return Samples(self.draw(count, stream).cpu()), Samples(self.draw(count, stream).cpu())


def _reference_stream() -> torch.Generator:
    # Of no run's seed: every cell of a comparison is measured against the same samples.
    return torch.Generator().manual_seed(derive(0, "evaluation", "reference"))
