"""What a game asks of a model's networks."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Wiring:
    """What the networks have besides a generator of noise and a discriminator of samples.

    Attributes:
        given: numbers that the generator is given beside the latent vector: the class, one-hot, or InfoGAN's codes.
        generator: how they come in: input (beside the latent vector) or norm (conditional batch norm).
        discriminator: how they come into the discriminator: none, input (beside the sample) or projection.
        head: outputs of a network on the discriminator's features, named "head"; 0: there is none.
        autoencoder: whether the networks are an "encoder" to latent vectors and `given` more numbers, a "decoder" of
            both, and a "discriminator" of latent vectors, with a "class_discriminator" of the other numbers.
    """

    given: int = 0
    generator: str = "input"
    discriminator: str = "none"
    head: int = 0
    autoencoder: bool = False


PLAIN = Wiring()


class Head(nn.Module):
    """Features [N, ...] of a discriminator to `outputs` numbers, through 128 units as in InfoGAN's appendix C.1.

    Source: Chen et al. 2016 (arXiv:1606.03657).
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(features, 128), nn.LeakyReLU(0.1), nn.Linear(128, outputs))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


def head(wiring: Wiring, features: int) -> dict[str, Callable[[], nn.Module]]:
    """The head's factory by its name, where one is asked for."""
    return {"head": lambda: Head(features, wiring.head)} if wiring.head else {}


class Projection(nn.Module):
    """The inner product of features [N, F] with the vector of a class: y^T V phi(x), [N].

    Source: Miyato and Koyama 2018 (arXiv:1802.05637), eq. 3. The paper's V has spectral norm 1, and so its vectors have
    elements of about 1 / sqrt(F). Without spectral normalization that factor stands outside of V: Adam moves each
    element as far whatever F is, and D knew the classes long before G could (docs/log.md).

    Args:
        given: classes.
        features: how many, F.
        spectral_norm: whether V will be divided by its spectral norm.
    """

    def __init__(self, given: int, features: int, spectral_norm: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Linear(given, features, bias=False)
        self.scale = 1.0 if spectral_norm else features**-0.5

    def forward(self, features: Tensor, given: Tensor) -> Tensor:
        return self.scale * (self.embedding(given) * features).sum(dim=1)


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose scale and shift belong to the class (Dumoulin et al. 2017, arXiv:1610.07629, eq. 5).

    Scales begin at 1 and shifts at N(0, 0.5^2): what comes after can tell the classes apart from the first step. With
    shifts of 0 it takes a thousand steps of Adam until there is anything to tell (docs/log.md).

    Args:
        norm: batch norm without weights of its own, of as many channels.
        given: classes; [N, given] with one-hot rows, or shares of classes, whose weights are then mixed.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, given: int) -> None:
        super().__init__()
        self.norm = norm
        self.scale = nn.Parameter(torch.ones(given, norm.num_features))
        self.shift = nn.Parameter(0.5 * torch.randn(given, norm.num_features))

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        scale, shift = ((given @ table).view(len(x), -1, *[1] * (x.ndim - 2)) for table in (self.scale, self.shift))
        return self.norm(x) * scale + shift


class Conditioned(nn.Sequential):
    """Layers in a row, of which conditional batch norm is given the class too."""

    def forward(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        for layer in self:
            x = layer(x, given) if isinstance(layer, ConditionalBatchNorm) else layer(x)
        return x
