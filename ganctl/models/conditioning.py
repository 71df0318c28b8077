"""Layers through which a class or a code enters a network, and the head that reads one off its features."""

import torch
from torch import Tensor, nn


class FeatureHead(nn.Module):
    """Features [N, ...] of a discriminator to `outputs` numbers, through 128 units as in InfoGAN's appendix C.1.

    Source: Chen et al. 2016 (arXiv:1606.03657).
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(features, 128), nn.LeakyReLU(0.1), nn.Linear(128, outputs))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class Projection(nn.Module):
    """The inner product of features [N, F] with the vector of a class: y^T V phi(x), [N].

    Source: Miyato and Koyama 2018 (arXiv:1802.05637), eq. 3. The paper's V has spectral norm 1, and so its vectors have
    elements of about 1 / sqrt(F). Without spectral normalization that factor stands outside of V: Adam moves each
    element as far whatever F is, and D knew the classes long before G could (docs/log.md).

    Args:
        condition: classes.
        features: how many, F.
        spectral_norm: whether V will be divided by its spectral norm.
    """

    def __init__(self, condition: int, features: int, spectral_norm: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Linear(condition, features, bias=False)
        self.scale = 1.0 if spectral_norm else features**-0.5

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        return self.scale * (self.embedding(condition) * features).sum(dim=1)


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose scale and shift belong to the class (Dumoulin et al. 2017, arXiv:1610.07629, eq. 5).

    Scales begin at 1 and shifts at N(0, 0.5^2): what comes after can tell the classes apart from the first step. With
    shifts of 0 it takes a thousand steps of Adam until there is anything to tell (docs/log.md).

    Args:
        norm: batch norm without weights of its own, of as many channels.
        condition: classes; [N, condition] with one-hot rows, or shares of classes, whose weights are then mixed.
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
    """Layers in a row; those of conditional batch norm take the condition too."""

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        for layer in self:
            x = layer(x, condition) if isinstance(layer, ConditionalBatchNorm) else layer(x)
        return x
