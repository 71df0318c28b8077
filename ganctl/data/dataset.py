"""The two kinds of data set, behind one face: a shape, a size, a fingerprint, and batches by number."""

import hashlib
from typing import Protocol

import torch
from torch import Tensor

from ganctl.streams import Streams, derive


class Dataset(Protocol):
    """What training reads.

    Attributes:
        shape: of one sample, [C, H, W] of an image or [2] of a point.
        epoch_size: samples that make one epoch.
        fingerprint: SHA-256 of the samples, or of the density's definition, in hexadecimal.
    """

    shape: tuple[int, ...]
    epoch_size: int
    fingerprint: str

    def to(self, device: torch.device) -> "Dataset":
        """The same data set with its memory on `device`."""

    def batch(self, index: int, size: int, streams: Streams) -> Tensor:
        """The batch number `index` (from 0) of a run: float32 [size, *shape], the same for the same seed."""

    def reference(self, count: int) -> tuple[Tensor, Tensor]:
        """Two separate sets of up to `count` real samples each, to measure generated ones against.

        Returns: float32 [n, *shape] on the CPU, as in a batch; the same whatever the seed of a run.
        """


class ImageSet:
    """Images in memory, as 8-bit integers.

    Args:
        pixels: uint8 [N, C, H, W].
        labels: the class of each, int64 [N]; None where nobody knows.

    Attributes:
        value_range: what 0 and 255 become in a batch: (-1, 1) beside a tanh, (0, 1) beside a sigmoid.
    """

    def __init__(self, pixels: Tensor, labels: Tensor | None = None) -> None:
        assert pixels.dtype == torch.uint8 and pixels.ndim == 4
        assert labels is None or labels.shape == (len(pixels),)
        self.pixels = pixels
        self.labels = labels
        self.value_range = (-1.0, 1.0)
        self.shape: tuple[int, ...] = tuple(pixels.shape[1:])
        self.epoch_size = len(pixels)
        digest = hashlib.sha256(repr(tuple(pixels.shape)).encode())
        digest.update(pixels.contiguous().numpy().data)
        self.fingerprint = digest.hexdigest()
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def to(self, device: torch.device) -> "ImageSet":
        """Moves the pixels to `device`, where every batch is then gathered."""
        self.pixels = self.pixels.to(device)
        self.labels = None if self.labels is None else self.labels.to(device)
        return self

    def batch(self, index: int, size: int, streams: Streams) -> Tensor:
        """Images without replacement within an epoch; the last, incomplete batch of an epoch is left out.

        Returns: float32 [size, C, H, W] within `value_range`.
        """
        return self._scaled(self.pixels[self._rows(index, size, streams)])

    def batch_labels(self, index: int, size: int, streams: Streams) -> Tensor:
        """The classes of the images of that batch, int64 [size]."""
        assert self.labels is not None
        return self.labels[self._rows(index, size, streams)]

    def _rows(self, index: int, size: int, streams: Streams) -> Tensor:
        """Which images a batch has."""
        epoch, place = divmod(index, self.epoch_size // size)
        if epoch != self._epoch:
            order = torch.randperm(self.epoch_size, generator=streams.fresh("data_order", epoch))
            self._order, self._epoch = order.to(self.pixels.device), epoch
        return self._order[place * size : (place + 1) * size]

    def reference(self, count: int) -> tuple[Tensor, Tensor]:
        """Disjoint random choices of the images, fewer of a small data set; of a single image, that one twice."""
        if self.epoch_size == 1:
            return self._scaled(self.pixels).cpu(), self._scaled(self.pixels).cpu()
        count = min(count, self.epoch_size // 2)
        order = torch.randperm(self.epoch_size, generator=_reference_stream()).to(self.pixels.device)
        one, other = (self._scaled(self.pixels[order[place : place + count]]).cpu() for place in (0, count))
        return one, other

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
        self.deviation = deviation
        self.shape: tuple[int, ...] = (centers.shape[1],)
        self.epoch_size = epoch_size
        definition = repr((centers.tolist(), deviation)).encode()
        self.fingerprint = hashlib.sha256(definition).hexdigest()

    def to(self, device: torch.device) -> "Density":
        """Moves the centers to `device`."""
        self.centers = self.centers.to(device)
        return self

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` exact samples, float32 [count, 2]."""
        modes = torch.randint(len(self.centers), (count,), generator=generator)
        spread = torch.randn(count, self.centers.shape[1], generator=generator) * self.deviation
        return self.centers[modes.to(self.centers.device)] + spread.to(self.centers.device)

    def batch(self, index: int, size: int, streams: Streams) -> Tensor:
        """Fresh points, float32 [size, 2]."""
        return self.draw(size, streams.fresh("data_order", index))

    def reference(self, count: int) -> tuple[Tensor, Tensor]:
        """Two sets of `count` exact points."""
        stream = _reference_stream()
        return self.draw(count, stream).cpu(), self.draw(count, stream).cpu()


def _reference_stream() -> torch.Generator:
    # Of no run's seed: every cell of a comparison is measured against the same samples.
    return torch.Generator().manual_seed(derive(0, "evaluation", "reference"))
