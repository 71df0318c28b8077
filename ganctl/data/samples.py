"""Samples of a data set or of a generator, with their labels and other tensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """N samples, real or generated.

    Attributes:
        data: the samples [N, *shape]. Images are uint8 as stored, or float32 within a generator's value range.
        labels: the class of each sample, int64 [N]; for a generated sample the class that was asked for. None: unknown.
        more: further tensors per sample, by name, each [N, ...], such as a caption or an unpaired "source" image.
    """

    data: Tensor
    labels: Tensor | None = None
    more: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.data)

    def rows(self, index: Tensor | slice) -> "Samples":
        """The samples that `index` selects."""
        labels = None if self.labels is None else self.labels[index]
        return Samples(self.data[index], labels, {name: each[index] for name, each in self.more.items()})

    def to(self, device: torch.device | str) -> "Samples":
        """The same samples on `device`."""
        labels = None if self.labels is None else self.labels.to(device)
        return Samples(self.data.to(device), labels, {name: each.to(device) for name, each in self.more.items()})


def scaled(samples: Samples, value_range: tuple[float, float]) -> Samples:
    """The samples with uint8 pixels mapped linearly from 0..255 to `value_range`; float32 data stay unchanged."""
    return Samples(
        in_range(samples.data, value_range),
        samples.labels,
        {name: in_range(each, value_range) for name, each in samples.more.items()},
    )


def in_range(pixels: Tensor, value_range: tuple[float, float]) -> Tensor:
    """uint8 pixels mapped to float32 within `value_range`; other tensors unchanged."""
    low, high = value_range
    return pixels.float().mul_((high - low) / 255).add_(low) if pixels.dtype == torch.uint8 else pixels
