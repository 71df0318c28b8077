"""Strided convolutions after Radford et al. 2015 (arXiv:1511.06434), for images of 28, 32 or 64 pixels.

The paper's guidelines (section 3): no pooling, batch normalization in both networks except at the generator's output
and the discriminator's input, ReLU in the generator, leaky ReLU with slope 0.2 in the discriminator, tanh at the
output, weights from N(0, 0.02).

Weights and maps use the memory format channels_last, in which convolutions with few channels are faster
(docs/performance.md).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.errors import BadInput
from ganctl.models.conditioning import ConditionalBatchNorm, Conditioned, FeatureHead, Projection
from ganctl.models.convolutions import FromGray, FromPoint, PartedBatchNorm, ToGray, ToPoint
from ganctl.models.layers import OUTPUT_RANGES, OUTPUTS, normalize_spectrum_
from ganctl.models.mlp import MlpDiscriminator
from ganctl.models.roles import Discriminator, Encoder, Factory, Family, Generator, Head, Roles

# Normalization after a convolution of the discriminator: number of channels -> layer. Layer norm is per sample, which
# gradient penalties need (Gulrajani et al. 2017, section 4, "No critic batch normalization").
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": PartedBatchNorm,
    "layer": partial(nn.GroupNorm, 1),
    "none": nn.Identity,  # ignores the number of channels
}

SMALLEST = {28: 7, 32: 4, 64: 4}  # image side -> side of the coarsest feature map; each block doubles it


def _block_widths(size: int, width: int) -> list[int]:
    """Channels of the feature maps, from the finest to the coarsest: width, 2 width, 4 width, ..."""
    doublings = (size // SMALLEST[size]).bit_length() - 1
    return [width * 2**level for level in range(doublings)]


def initialize_(network: nn.Module) -> None:
    """Draws weights from N(0, 0.02) and those of batch norm from N(1, 0.02); biases are 0 (section 4 of the paper)."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d)) and layer.weight is not None:
            mean = 1.0 if isinstance(layer, nn.BatchNorm2d) else 0.0
            nn.init.normal_(layer.weight, mean, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class DcganGenerator(nn.Module):
    """Latent vectors [N, latent_dim], and conditions [N, condition], to images [N, channels, size, size]."""

    def __init__(
        self,
        channels: int,
        size: int,
        latent_dim: int,
        width: int,
        output: str,
        hidden: int = 0,
        condition: int = 0,
        how: str = "input",
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.output_range = OUTPUT_RANGES[output]
        self.takes_input = bool(condition) and how == "input"
        first = latent_dim + (condition if self.takes_input else 0)
        widths, side = _block_widths(size, width)[::-1], SMALLEST[size]

        def norm(channels: int, kind: type[nn.BatchNorm1d] | type[nn.BatchNorm2d] = nn.BatchNorm2d) -> nn.Module:
            if condition and how == "norm":
                return ConditionalBatchNorm(kind(channels, affine=False), condition)
            return kind(channels)

        layers: list[nn.Module] = []
        if hidden:
            layers += [nn.Linear(first, hidden, bias=False), norm(hidden, nn.BatchNorm1d), nn.ReLU(inplace=True)]
        layers += [
            nn.Unflatten(1, (hidden or first, 1, 1)),
            FromPoint(hidden or first, widths[0], side, bias=False),
            norm(widths[0]),
            nn.ReLU(inplace=True),
        ]
        for before, after in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                norm(after),
                nn.ReLU(inplace=True),
            ]
        to_images = ToGray if channels == 1 else nn.ConvTranspose2d
        layers += [to_images(widths[-1], channels, 4, stride=2, padding=1), OUTPUTS[output]()]
        self.layers = Conditioned(*layers)
        initialize_(self)
        self.to(memory_format=torch.channels_last)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        if self.takes_input and condition is not None:
            latent = torch.cat([latent, condition], dim=1)
        return self.layers(latent, condition)


def _trunk(channels: int, size: int, width: int, norm: str) -> list[nn.Module]:
    """Strided convolutions down to the coarsest feature map."""
    widths = _block_widths(size, width)
    convolution = FromGray if channels == 1 else nn.Conv2d
    layers: list[nn.Module] = [
        convolution(channels, widths[0], 4, stride=2, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    for before, after in pairwise(widths):
        layers += [
            nn.Conv2d(before, after, 4, stride=2, padding=1, bias=norm == "none"),
            NORMS[norm](after),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    return layers


def _num_features(size: int, width: int, hidden: int = 0) -> int:
    """Units of the discriminator's last hidden layer: `hidden`, or the coarsest feature map if that is 0."""
    return hidden or _block_widths(size, width)[-1] * SMALLEST[size] ** 2


class DcganDiscriminator(nn.Module):
    """Images [N, channels, size, size], and conditions [N, condition], to raw logits [N].

    With how="input" each number of the condition becomes a constant plane, an extra channel of the image.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        width: int,
        norm: str = "batch",
        spectral_norm: bool = False,
        hidden: int = 0,
        condition: int = 0,
        how: str = "input",
    ) -> None:
        super().__init__()
        self.coupling = "norm" if norm == "batch" else "none"
        # Not with spectral norm: each pass is one step of its power iteration, so the number of passes matters.
        self.takes_parts = norm == "batch" and not spectral_norm
        self.takes_input = bool(condition) and how == "input"
        first = channels + (condition if self.takes_input else 0)
        layers = _trunk(first, size, width, norm)
        if hidden:
            layers += [
                ToPoint(_block_widths(size, width)[-1], hidden, SMALLEST[size], bias=norm == "none"),
                NORMS[norm](hidden),
                nn.LeakyReLU(0.2, inplace=True),
                ToPoint(hidden, 1, 1),
            ]
        else:
            layers.append(ToPoint(_block_widths(size, width)[-1], 1, SMALLEST[size]))
        self.layers = nn.Sequential(*layers, nn.Flatten(0))
        projects = bool(condition) and how == "projection"
        features = _num_features(size, width, hidden)
        self.projection = Projection(condition, features, spectral_norm) if projects else None
        initialize_(self)
        self.to(memory_format=torch.channels_last)
        if spectral_norm:
            normalize_spectrum_(self)

    @contextmanager
    def parted(self, parts: int) -> Iterator[None]:
        """Within this context batch norm treats `parts` equal parts of a batch separately, as in separate passes."""
        norms = [layer for layer in self.layers if isinstance(layer, PartedBatchNorm)]
        for layer in norms:
            layer.parts = parts
        try:
            yield
        finally:
            for layer in norms:
                layer.parts = 1

    def features(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """The last hidden layer's output for each image: [N, channels, side, side], or [N, hidden, 1, 1]."""
        *hidden, _, _ = self.layers
        x = images
        if self.takes_input and condition is not None:
            x = torch.cat([x, condition[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)
        for layer in hidden:
            x = layer(x)
        return x

    def logit(self, features: Tensor, condition: Tensor | None = None) -> Tensor:
        """The raw logits [N] of images with these features."""
        *_, last, flatten = self.layers
        logits = flatten(last(features))
        return logits if self.projection is None else logits + self.projection(features.flatten(1), condition)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.logit(self.features(images, condition), condition)


class DcganEncoder(nn.Module):
    """Images [N, channels, size, size] to `outputs` numbers [N, outputs]."""

    def __init__(self, channels: int, size: int, width: int, outputs: int, hidden: int = 0) -> None:
        super().__init__()
        layers = [*_trunk(channels, size, width, "batch"), nn.Flatten()]
        if hidden:
            layers += [
                nn.Linear(_num_features(size, width), hidden, bias=False),
                nn.BatchNorm1d(hidden),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Linear(_num_features(size, width, hidden), outputs))
        initialize_(self)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def _image_size(options: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """Channels and side of an image of `shape`.

    Raises:
        BadInput: the samples are no images, or have a size that these networks do not support.
    """
    if len(shape) != 3:
        raise BadInput(f"model={options.name}: convolves images, and this data set holds points; use model=mlp")
    channels, height, width = shape
    if height != width or height not in SMALLEST:
        raise BadInput(
            f"model={options.name}: makes images of 28, 32 or 64 pixels, not {height}x{width}; "
            "use data.image_size=32 or 64 with data=folder, or model=mlp"
        )
    return channels, height


def generator(options: Any, role: Generator, roles: Roles) -> Factory:
    """Returns a function that builds a generator."""
    del roles
    channels, size = _image_size(options, role.shape)
    output = "tanh" if options.output == "auto" else options.output
    return lambda: DcganGenerator(
        channels, size, options.latent_dim, options.width, output, options.hidden, role.condition, role.how
    )


def discriminator(options: Any, role: Discriminator, roles: Roles) -> Factory:
    """Returns a function that builds a discriminator of images, or a fully connected one of latent vectors."""
    del roles
    if len(role.shape) == 1:
        widths = [8 * options.width] * 2
        return lambda: MlpDiscriminator(role.shape, widths, "leaky_relu", 0.0, options.spectral_norm)
    channels, size = _image_size(options, role.shape)
    return lambda: DcganDiscriminator(
        channels,
        size,
        options.width,
        options.discriminator_norm,
        options.spectral_norm,
        options.hidden,
        role.condition,
        role.how,
    )


def encoder(options: Any, role: Encoder, roles: Roles) -> Factory:
    """Returns a function that builds an encoder of images."""
    del roles
    channels, size = _image_size(options, role.shape)
    return lambda: DcganEncoder(channels, size, options.width, role.outputs, options.hidden)


def head(options: Any, role: Head, roles: Roles) -> Factory:
    """Returns a function that builds a head on the last hidden layer of a discriminator of images."""
    of = roles[role.of]
    assert isinstance(of, Discriminator)
    features = _num_features(_image_size(options, of.shape)[1], options.width, options.hidden)
    return lambda: FeatureHead(features, role.outputs)


FAMILY = Family({Generator: generator, Discriminator: discriminator, Encoder: encoder, Head: head})
