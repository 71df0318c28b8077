"""What samples are generated from, and the ways from one of them to another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Code:
    """Something about a sample that can be chosen beside its latent vector.

    Attributes:
        classes: how many there are to choose from; 0: it is one number within [-1, 1].
    """

    classes: int = 0


@dataclass(frozen=True)
class Inputs:
    """What N samples are generated from; a game uses some of these.

    Attributes:
        latent: latent vectors [N, latent_dim].
        codes: what is chosen besides, by name: a class one-hot [N, classes] (or shares of classes), a number [N, 1].
        images: what a sample is made from, by name, each [N, C, H, W] within the value range: a low resolution.
        noise: the noise of layers that add some, by the layer's name, each [N, ...].
        labels: the class that each sample should have where no code says it, int64 [N]: that of its source image.
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
        """Where the tensors are."""
        tensors = [self.latent, *self.codes.values(), *self.images.values(), *self.noise.values()]
        return next(each.device for each in tensors if each is not None)

    @property
    def condition(self) -> Tensor | None:
        """All codes side by side, [N, sum of their sizes]; None where there are none."""
        return torch.cat([*self.codes.values()], dim=1) if self.codes else None

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The arguments of a generator: the latent vectors, and the condition where there is one."""
        return tuple(each for each in (self.latent, self.condition) if each is not None)

    def rows(self, index: Tensor | slice) -> "Inputs":
        """The inputs that `index` selects, each as often as it is named."""
        return self._each(lambda tensor: tensor[index.to(tensor.device) if isinstance(index, Tensor) else index])

    def with_code(self, name: str, value: Tensor) -> "Inputs":
        """The same inputs with another value of one code."""
        return Inputs(self.latent, {**self.codes, name: value}, self.images, self.noise, self.labels)

    def between(self, other: "Inputs", share: Tensor, arc: bool) -> "Inputs":
        """From each of these inputs to that of `other`, in steps; images and noise stay those of the first.

        Args:
            share: how far each step is, within [0, 1], [T].
            arc: whether latent vectors go on an arc, as Gaussian ones should, or on a line.

        Returns: N x T inputs, the steps of the first pair first.
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
    """From each row of `first` [N, D] to that of `second` on a line.

    Args:
        share: how far, within [0, 1], [T].

    Returns: [N, T, D].
    """
    share = share[:, None]
    return (1 - share) * first[:, None] + share * second[:, None]


def spherical(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """From each row of `first` [N, D] to that of `second` on an arc, on which the norm of Gaussian vectors stays.

    Source: White 2016 (arXiv:1609.04468), section 2.1. Parallel vectors have no arc, and go on a line.

    Args:
        share: how far, within [0, 1], [T].

    Returns: [N, T, D].
    """
    one, other = first.double()[:, None], second.double()[:, None]
    cosine = torch.nn.functional.cosine_similarity(one, other, dim=2).clamp(-1, 1)[..., None]
    angle, share = cosine.arccos(), share.double()[:, None]
    sine = angle.sin()
    arc = (((1 - share) * angle).sin() * one + (share * angle).sin() * other) / sine
    return torch.where(sine < 1e-6, linear(first.double(), second.double(), share[:, 0]), arc).to(first.dtype)
