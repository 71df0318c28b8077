"""Layers that condition a network on a class or a code, and the head that predicts one from features."""

import torch
from torch import Tensor, nn


class FeatureHead(nn.Module):
    """Features [N, ...] of a discriminator to [N, outputs], with 128 hidden units as in InfoGAN's appendix C.1.

    Source: Chen et al. 2016 (arXiv:1606.03657).
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(features, 128), nn.LeakyReLU(0.1), nn.Linear(128, outputs))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class Projection(nn.Module):
    """The inner product of features [N, F] and the embedding of a class: y^T V phi(x), [N].

    Source: Miyato and Koyama 2018 (arXiv:1802.05637), eq. 3. The paper's V has spectral norm 1, so its elements are
    about 1 / sqrt(F). Without spectral normalization that factor multiplies the product instead: Adam's steps do not
    shrink with F, and D would learn the classes long before G can (docs/log.md).

    Args:
        condition: number of classes.
        features: number of features, F.
        spectral_norm: whether V will be spectrally normalized.
    """

    def __init__(self, condition: int, features: int, spectral_norm: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Linear(condition, features, bias=False)
        self.scale = 1.0 if spectral_norm else features**-0.5

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        return self.scale * (self.embedding(condition) * features).sum(dim=1)


class ConditionalBatchNorm(nn.Module):
    """Batch norm with one scale and one shift per class (Dumoulin et al. 2017, arXiv:1610.07629, eq. 5).

    Scales are initialized to 1 and shifts to N(0, 0.5^2), so that the classes differ for the next layers from the
    first step. With shifts of 0, Adam takes a thousand steps until they do (docs/log.md).

    Args:
        norm: batch norm without affine parameters.
        condition: number of classes. `forward` takes conditions [N, condition]: one-hot, or mixtures of classes, for
            which scales and shifts are mixed.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, condition: int) -> None:
        super().__init__()
        self.norm = norm
        self.scale = nn.Parameter(torch.ones(condition, norm.num_features))
        self.shift = nn.Parameter(0.5 * torch.randn(condition, norm.num_features))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = ((condition @ table).view(len(x), -1, *[1] * (x.ndim - 2)) for table in (self.scale, self.shift))
        return self.norm(x) * scale + shift


class Conditioned(nn.Sequential):
    """A sequence of layers; conditional batch norm layers get the condition too."""

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        for layer in self:
            x = layer(x, condition) if isinstance(layer, ConditionalBatchNorm) else layer(x)
        return x
