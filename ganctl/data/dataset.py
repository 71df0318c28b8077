"""Data sets of images and of points, with one interface: a shape, a size, a fingerprint, and batches by index."""

import hashlib
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from ganctl.data.balance import balanced_rows
from ganctl.data.samples import Samples
from ganctl.errors import BadInput
from ganctl.numerics.streams import Streams, derive

Kind = Literal["points", "images", "clips"]


class Dataset(Protocol):
    """The interface of data sets.

    Attributes:
        kind: points, images or clips; see `kind_of`.
        shape: shape of one sample: [2] for a point, [C, H, W] for an image, [T, C, H, W] for a clip of T frames.
        classes: number of classes; 0: samples have no labels.
        epoch_size: number of samples in one epoch.
        fingerprint: SHA-256 of the samples, or of the density's definition, in hexadecimal.
        left_out: files that could not be read, each with the reason.
    """

    kind: Kind
    shape: tuple[int, ...]
    classes: int
    epoch_size: int
    fingerprint: str
    left_out: dict[str, str]

    def to(self, device: torch.device) -> "Dataset":
        """Moves the data set to `device`, where its batches will be, and returns it."""

    def batch(self, index: int, size: int, streams: Streams) -> Samples:
        """Batch `index` (from 0) of a run: `size` samples as stored; it depends only on these numbers and the seed."""

    def take(self, rows: Tensor) -> Samples:
        """The samples with these indices, int64 [N], each at least 0 and below `epoch_size`, as stored."""

    def reference(self, count: int) -> tuple[Samples, Samples]:
        """Two disjoint sets of up to `count` real samples each, with which generated samples are compared.

        Returns: both sets on the CPU, as stored; they do not depend on the seed of a run.
        """


def kind_of(dataset: Dataset) -> Kind:
    """The kind of the samples. For a plugin's data set without `kind`, it follows from the number of axes."""
    kinds: dict[int, Kind] = {3: "images", 4: "clips"}
    return getattr(dataset, "kind", None) or kinds.get(len(dataset.shape), "points")


class ImageSet:
    """Images in memory, as uint8 pixels.

    Args:
        pixels: uint8 [N, C, H, W].
        labels: the class of each image, int64 [N]; None if unknown.
        order: name of the random stream that shuffles each epoch; unpaired data sets need different ones.

    Attributes:
        labels_fingerprint: SHA-256 of the labels, which `fingerprint` does not include; None if there are none.
        left_out: files and folders that were not read, each with the reason.
        files: counts for a folder of images: "pictures" that were read, "unreadable" ones, "others" per file ending; if
            there are any, pictures that are "transparent", "narrow" or the "first_of_several" in their file, and
            pictures that are "trained_on" and "held_out" if a part is held out.
        class_names: names of the classes, in the order of their numbers; None if they have no names.
        held_out: images of the same kind that are not used in training; None if there are none.

    Raises:
        BadInput: no picture has so many channels.
    """

    kind: Kind = "images"

    def __init__(self, pixels: Tensor, labels: Tensor | None = None, order: str = "data_order") -> None:
        assert pixels.dtype == torch.uint8 and pixels.ndim == 4
        assert labels is None or labels.shape == (len(pixels),)
        if pixels.shape[1] not in (1, 3, 4):
            raise BadInput(
                f"images with {pixels.shape[1]} channels: a picture has 1 (grey), 3 (RGB) or 4 (RGB and alpha)"
            )
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
        self._ordered: tuple[int, int] | None = None  # seed and epoch of the order in `_order`
        self._order = torch.empty(0, dtype=torch.int64)

    def to(self, device: torch.device) -> "ImageSet":
        """Moves the pixels and the labels to `device`, where the batches will be, and returns the data set."""
        self.pixels = self.pixels.to(device)
        self.labels = None if self.labels is None else self.labels.to(device)
        return self

    def batch(self, index: int, size: int, streams: Streams) -> Samples:
        """Batch `index`, drawn without replacement within an epoch; an incomplete last batch is dropped."""
        return self.take(self._rows(index, size, streams))

    def take(self, rows: Tensor) -> Samples:
        """The images with these indices, int64 [N], with their labels."""
        rows = rows.to(self.pixels.device)
        return Samples(self.pixels[rows], None if self.labels is None else self.labels[rows])

    def balanced(self, count: int, order: torch.Generator) -> "ImageSet":
        """A random subset of `count` images, equally many per class (within one), chosen with `order`.

        Raises:
            BadInput: a class has too few images.
        """
        assert self.labels is not None
        chosen = balanced_rows(self.labels, count, order)
        return ImageSet(self.pixels[chosen].cpu(), self.labels[chosen].cpu()).to(self.pixels.device)

    def _rows(self, index: int, size: int, streams: Streams) -> Tensor:
        """The indices of the images in batch `index`."""
        epoch, place = divmod(index, self.epoch_size // size)
        if self._ordered != (streams.seed, epoch):
            order = torch.randperm(self.epoch_size, generator=streams.fresh(self.order, epoch))
            self._order, self._ordered = order.to(self.pixels.device), (streams.seed, epoch)
        return self._order[place * size : (place + 1) * size]

    def reference(self, count: int) -> tuple[Samples, Samples]:
        """Two disjoint random sets of images, at most half of the data set each; a single image is in both."""
        count = max(1, min(count, self.epoch_size // 2))
        order = torch.randperm(self.epoch_size, generator=_reference_stream()).to(self.pixels.device)
        one, other = (0, 0) if self.epoch_size == 1 else (0, count)
        return self.take(order[one : one + count]).to("cpu"), self.take(order[other : other + count]).to("cpu")


class Density:
    """A mixture of equally likely isotropic Gaussians, which can be sampled exactly and without limit.

    Args:
        centers: means of the modes, float32 [modes, 2].
        deviation: standard deviation of each mode along each axis.
        epoch_size: number of points that count as one epoch.
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
        """Moves later batches to `device`. Points are drawn on the CPU, so that they are equal on all devices."""
        self.device = device
        return self

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws `count` exact samples, float32 [count, 2]."""
        modes = torch.randint(len(self.centers), (count,), generator=generator)
        points = self.centers[modes] + torch.randn(count, self.shape[0], generator=generator) * self.deviation
        if self.device.type == "cuda":
            points = points.pin_memory()  # so that the copy to the device is asynchronous
        return points.to(self.device, non_blocking=True)

    def batch(self, index: int, size: int, streams: Streams) -> Samples:
        """Batch `index`: new points."""
        return Samples(self.draw(size, streams.fresh("data_order", index)))

    def take(self, rows: Tensor) -> Samples:
        """The points with these indices; an index gives the same point in every run."""
        each = [self.draw(1, torch.Generator().manual_seed(derive(0, "point", row))) for row in rows.tolist()]
        return Samples(torch.cat(each))

    def reference(self, count: int) -> tuple[Samples, Samples]:
        """Two independent sets of `count` exact points, on the CPU."""
        stream = _reference_stream()
        return Samples(self.draw(count, stream).cpu()), Samples(self.draw(count, stream).cpu())


def _reference_stream() -> torch.Generator:
    # Independent of the run's seed: every cell of a comparison is measured against the same samples.
    return torch.Generator().manual_seed(derive(0, "evaluation", "reference"))
