"""The inputs of a generator, and interpolation between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Code:
    """A property of a sample that can be chosen, apart from its latent vector.

    Attributes:
        classes: number of classes; 0: the code is a number in [-1, 1].
    """

    classes: int = 0


@dataclass(frozen=True)
class Inputs:
    """The generator inputs of N samples; a game uses some of them.

    Attributes:
        latent: latent vectors [N, latent_dim].
        codes: values of the codes by name: classes, one-hot (or mixed) [N, classes], or numbers [N, 1].
        images: images by name, each [N, C, H, W] within the value range: the inputs, such as a low resolution, and
            perhaps the "target", the right sample, which is only shown.
        noise: noise maps for layers that add noise, by the layer's name, each [N, ...].
        labels: the intended class of each sample if no code holds it, int64 [N], such as that of its source image.
    """

    latent: Tensor | None = None
    codes: Mapping[str, Tensor] = field(default_factory=dict)
    images: Mapping[str, Tensor] = field(default_factory=dict)
    noise: Mapping[str, Tensor] = field(default_factory=dict)
    labels: Tensor | None = None

    def __len__(self) -> int:
        tensors = [self.latent, *self.codes.values(), *self.images.values(), *self.noise.values()]
        return next(len(each) for each in tensors if each is not None)

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        tensors = [self.latent, *self.codes.values(), *self.images.values(), *self.noise.values()]
        return next(each.device for each in tensors if each is not None)

    @property
    def condition(self) -> Tensor | None:
        """All codes, concatenated, [N, sum of their sizes]; None if there are none."""
        return torch.cat([*self.codes.values()], dim=1) if self.codes else None

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The arguments of a generator: the latent vectors and the condition, as far as there are any."""
        return tuple(each for each in (self.latent, self.condition) if each is not None)

    def rows(self, index: Tensor | slice) -> "Inputs":
        """The inputs that `index` selects; a row may be selected several times."""
        return self._each(lambda tensor: tensor[index.to(tensor.device) if isinstance(index, Tensor) else index])

    def with_code(self, name: str, value: Tensor) -> "Inputs":
        """The same inputs with the code `name` set to `value`."""
        return Inputs(self.latent, {**self.codes, name: value}, self.images, self.noise, self.labels)

    def between(self, other: "Inputs", share: Tensor, arc: bool) -> "Inputs":
        """Interpolates from each of these inputs to the same row of `other`; images and noise maps are those of `self`.

        Args:
            share: position of each step on the way from 0 to 1, [T].
            arc: whether latent vectors are interpolated on an arc (for Gaussian ones) or on a line.

        Returns: N x T inputs, all steps of the first pair first.
        """
        assert self.latent is not None and other.latent is not None
        latent = (spherical if arc else linear)(self.latent, other.latent, share)
        codes = {name: linear(value, other.codes[name], share).flatten(0, 1) for name, value in self.codes.items()}
        kept = self._each(lambda tensor: tensor.repeat_interleave(len(share), dim=0))
        return Inputs(latent.flatten(0, 1), codes, kept.images, kept.noise, kept.labels)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Inputs":
        def all_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: change(value) for name, value in tensors.items()}

        latent, labels = (None if each is None else change(each) for each in (self.latent, self.labels))
        return Inputs(latent, all_of(self.codes), all_of(self.images), all_of(self.noise), labels)


def linear(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Linear interpolation between the rows of `first` [N, D] and those of `second`.

    Args:
        share: position of each step on the way from 0 to 1, [T].

    Returns: [N, T, D].
    """
    share = share[:, None]
    return (1 - share) * first[:, None] + share * second[:, None]


def spherical(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Spherical interpolation between the rows of `first` [N, D] and those of `second`, which keeps the typical norm.

    Source: White 2016 (arXiv:1609.04468), section 2.1. Parallel vectors, which have no arc, are interpolated linearly.

    Args:
        share: position of each step on the way from 0 to 1, [T].

    Returns: [N, T, D].
    """
    one, other = first.double()[:, None], second.double()[:, None]
    cosine = torch.nn.functional.cosine_similarity(one, other, dim=2).clamp(-1, 1)[..., None]
    angle, share = cosine.arccos(), share.double()[:, None]
    sine = angle.sin()
    arc = (((1 - share) * angle).sin() * one + (share * angle).sin() * other) / sine
    return torch.where(sine < 1e-6, linear(first.double(), second.double(), share[:, 0]), arc).to(first.dtype)
