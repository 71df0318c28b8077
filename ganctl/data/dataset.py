"""The two kinds of data set, behind one face: a shape, a size, a fingerprint, and batches by number."""

import hashlib
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ganctl.errors import BadInput
from ganctl.numerics.streams import Streams, derive


class Drawn(NamedTuple):
    """Samples of a data set.

    Attributes:
        samples: float32 [N, *shape].
        labels: the class of each, int64 [N]; None where nobody knows.
    """

    samples: Tensor
    labels: Tensor | None = None


class Dataset(Protocol):
    """What training reads.

    Attributes:
        shape: of one sample, [C, H, W] of an image or [2] of a point.
        classes: kinds of labels; 0: samples have none.
        epoch_size: samples that make one epoch.
        fingerprint: SHA-256 of the samples, or of the density's definition, in hexadecimal.
        left_out: files that could not be read, each with its reason.
    """

    shape: tuple[int, ...]
    classes: int
    epoch_size: int
    fingerprint: str
    left_out: dict[str, str]

    def to(self, device: torch.device) -> "Dataset":
        """The same data set with its memory on `device`."""

    def batch(self, index: int, size: int, streams: Streams) -> Drawn:
        """The batch number `index` (from 0) of a run, of `size` samples, the same for the same seed."""

    def reference(self, count: int) -> tuple[Drawn, Drawn]:
        """Two separate sets of up to `count` real samples each, to measure generated ones against.

        Returns: both on the CPU, as in a batch; the same whatever the seed of a run.
        """


class ImageSet:
    """Images in memory, as 8-bit integers.

    Args:
        pixels: uint8 [N, C, H, W].
        labels: the class of each, int64 [N]; None where nobody knows.

    Attributes:
        labels_fingerprint: SHA-256 of the labels, which `fingerprint` knows nothing of; None where there are none.
        value_range: what 0 and 255 become in a batch: (-1, 1) beside a tanh, (0, 1) beside a sigmoid.
        left_out: files and folders that were not read, and why.
        files: of a folder: how many "pictures" were read, how many were "unreadable", how many "others" of each ending;
            where there are any, how many pictures are "transparent", "narrow" or the "first_of_several" in their file,
            and the names of its "classes".
        held_out: images of the same kind that are left out of the training; None where there are none.
    """

    def __init__(self, pixels: Tensor, labels: Tensor | None = None) -> None:
        assert pixels.dtype == torch.uint8 and pixels.ndim == 4
        assert labels is None or labels.shape == (len(pixels),)
        self.pixels = pixels
        self.labels = labels
        self.value_range = (-1.0, 1.0)
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
        self.held_out: ImageSet | None = None
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def to(self, device: torch.device) -> "ImageSet":
        """Moves the pixels to `device`, where every batch is then gathered."""
        self.pixels = self.pixels.to(device)
        self.labels = None if self.labels is None else self.labels.to(device)
        return self

    def batch(self, index: int, size: int, streams: Streams) -> Drawn:
        """Images without replacement within an epoch; the last, incomplete batch of an epoch is left out.

        Returns: `size` images within `value_range`, and their classes.
        """
        return self._drawn(self._rows(index, size, streams))

    def balanced(self, count: int, order: torch.Generator) -> "ImageSet":
        """`count` of the images, as many of each class, chosen by `order`.

        Raises:
            BadInput: a class has too few.
        """
        assert self.labels is not None
        shuffled = torch.randperm(len(self.pixels), generator=order).to(self.pixels.device)
        each = -(-count // self.classes)
        rows = [shuffled[self.labels[shuffled] == kind][:each] for kind in range(self.classes)]
        if min(map(len, rows)) < each:
            raise BadInput(
                f"{count} images with a label: the rarest of {self.classes} classes has {min(map(len, rows))}; ask for "
                f"at most {self.classes * min(map(len, rows))}"
            )
        # One class after the other, so that leaving out the last few leaves classes within one of each other.
        chosen = torch.stack(rows, dim=1).flatten()[:count]
        found = ImageSet(self.pixels[chosen].cpu(), self.labels[chosen].cpu())
        found.value_range = self.value_range
        return found.to(self.pixels.device)

    def _drawn(self, rows: Tensor) -> Drawn:
        return Drawn(self._scaled(self.pixels[rows]), None if self.labels is None else self.labels[rows])

    def _rows(self, index: int, size: int, streams: Streams) -> Tensor:
        """Which images a batch has."""
        epoch, place = divmod(index, self.epoch_size // size)
        if epoch != self._epoch:
            order = torch.randperm(self.epoch_size, generator=streams.fresh("data_order", epoch))
            self._order, self._epoch = order.to(self.pixels.device), epoch
        return self._order[place * size : (place + 1) * size]

    def reference(self, count: int) -> tuple[Drawn, Drawn]:
        """Disjoint random choices of the images, fewer of a small data set; of a single image, that one twice."""
        count = max(1, min(count, self.epoch_size // 2))
        order = torch.randperm(self.epoch_size, generator=_reference_stream()).to(self.pixels.device)
        one, other = (0, 0) if self.epoch_size == 1 else (0, count)
        return self._on_cpu(order[one : one + count]), self._on_cpu(order[other : other + count])

    def _on_cpu(self, rows: Tensor) -> Drawn:
        samples, labels = self._drawn(rows)
        return Drawn(samples.cpu(), None if labels is None else labels.cpu())

    def _scaled(self, pixels: Tensor) -> Tensor:
        low, high = self.value_range
        return pixels.float().mul_((high - low) / 255).add_(low)


class Density:
    """A mixture of equally likely, round Gaussians, sampled exactly and without end.

    Args:
        centers: float32 [modes, 2].
        deviation: standard deviation of each mode, along each axis.
        epoch_size: points that count as one epoch.
    """

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

    def batch(self, index: int, size: int, streams: Streams) -> Drawn:
        """Fresh points."""
        return Drawn(self.draw(size, streams.fresh("data_order", index)))

    def reference(self, count: int) -> tuple[Drawn, Drawn]:
        """Two sets of `count` exact points."""
        stream = _reference_stream()
        return Drawn(self.draw(count, stream).cpu()), Drawn(self.draw(count, stream).cpu())


def _reference_stream() -> torch.Generator:
    # Of no run's seed: every cell of a comparison is measured against the same samples.
    return torch.Generator().manual_seed(derive(0, "evaluation", "reference"))
