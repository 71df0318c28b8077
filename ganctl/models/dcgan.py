"""Strided convolutions after Radford et al. 2015 (arXiv:1511.06434), for images of 28, 32 or 64 pixels.

Its guidelines (section 3): no pooling, batch normalization in both networks but not at the generator's output and
the discriminator's input, ReLU in the generator, leaky ReLU of slope 0.2 in the discriminator, tanh at the output,
weights from N(0, 0.02).

Weights and maps have the channels last in memory, where convolutions of few channels are fast (docs/performance.md).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, fold, linear

from ganctl.errors import BadInput
from ganctl.models.layers import OUTPUT_RANGES, OUTPUTS, normalize_spectrum_
from ganctl.models.mlp import MlpDiscriminator
from ganctl.models.wiring import PLAIN, ConditionalBatchNorm, Conditioned, Projection, Wiring, head


class PartedBatchNorm(nn.BatchNorm2d):
    """Batch norm that takes each of `parts` equal shares of its input for a batch, one after the other."""

    parts = 1

    def forward(self, x: Tensor) -> Tensor:
        normalize = super().forward
        return normalize(x) if self.parts == 1 else torch.cat([normalize(part) for part in x.chunk(self.parts)])


# What follows a convolution of the discriminator, by its channels. Layer norm is per sample, as penalties on the
# gradient need it (Gulrajani et al. 2017, section 4, "No critic batch normalization").
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": PartedBatchNorm,
    "layer": partial(nn.GroupNorm, 1),
    "none": nn.Identity,  # which takes the channels and ignores them
}

SMALLEST = {28: 7, 32: 4, 64: 4}  # the side of the coarsest feature map; each block doubles it


def _block_widths(size: int, width: int) -> list[int]:
    """Channels of the feature maps, from beside the image to the coarsest: width, 2 width, 4 width, ..."""
    doublings = (size // SMALLEST[size]).bit_length() - 1
    return [width * 2**level for level in range(doublings)]


def initialize_(network: nn.Module) -> None:
    """Weights from N(0, 0.02), those of batch norm from N(1, 0.02), biases 0 (Radford et al. 2015, section 4)."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d)) and layer.weight is not None:
            mean = 1.0 if isinstance(layer, nn.BatchNorm2d) else 0.0
            nn.init.normal_(layer.weight, mean, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class FromPoint(nn.ConvTranspose2d):
    """A transposed convolution of vectors [N, C, 1, 1] to maps [N, out, side, side], each of whose places has its own
    weights: a matrix product, and computed as one, which takes less than half of the time (docs/performance.md)."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        weight = self.weight.permute(0, 2, 3, 1)  # as it lies in memory, with the channels last
        maps = x.flatten(1) @ weight.flatten(1)
        return maps.view(-1, *weight.shape[1:]).permute(0, 3, 1, 2)


class ToPoint(nn.Conv2d):
    """A convolution of maps [N, C, side, side] by a kernel of their size, to [N, out, 1, 1]: a matrix product."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)
        return linear(x.permute(0, 2, 3, 1).flatten(1), weight, self.bias)[:, :, None, None]


def add_up_patches(maps: Tensor, weight: Tensor) -> Tensor:
    """The transposed convolution (kernel 4, stride 2, padding 1) of maps [N, C, H, W] to images [N, 1, 2H, 2W].

    A matrix product gives a patch of 4x4 pixels per place of the maps; patches are added up where they overlap.
    """
    patches = maps.permute(0, 2, 3, 1).flatten(1, 2) @ weight.flatten(1)
    return fold(patches.transpose(1, 2), (2 * maps.shape[2], 2 * maps.shape[3]), 4, padding=1, stride=2)


class ToGray(nn.ConvTranspose2d):
    """A transposed convolution (kernel 4, stride 2, padding 1) of maps to images with one channel. On a CPU it is
    computed by `add_up_patches`, in a quarter of the time (docs/performance.md)."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        if not _unrounded(x):
            return super().forward(x)
        images = add_up_patches(x, self.weight)
        return images if self.bias is None else images + self.bias


class _ConvolveGray(torch.autograd.Function):
    """torch's convolution with another way to its gradient towards the images."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(images, weight)
        return conv2d(images, weight, bias, stride=2, padding=1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        images, weight = ctx.saved_tensors
        towards_images = add_up_patches(grad, weight) if ctx.needs_input_grad[0] else None
        if not any(ctx.needs_input_grad[1:]):
            return towards_images, None, None
        _, *towards_weights = torch.ops.aten.convolution_backward(
            grad, images, weight, [len(weight)], [2, 2], [1, 1], [1, 1], False, [0, 0], 1, [False, True, True]
        )
        return towards_images, *towards_weights


class FromGray(nn.Conv2d):
    """A convolution (kernel 4, stride 2, padding 1) of images with one channel. On a CPU its gradient towards the
    images, which is a transposed convolution, is computed by `add_up_patches`."""

    def forward(self, x: Tensor) -> Tensor:
        return _ConvolveGray.apply(x, self.weight, self.bias) if _unrounded(x) else super().forward(x)


def _unrounded(x: Tensor) -> bool:
    """Whether `x` is on a CPU and will not be rounded to bfloat16 by `precision=bf16`."""
    return x.is_cpu and not torch.is_autocast_enabled("cpu")


class DcganGenerator(nn.Module):
    """Latent vectors [N, latent_dim] and what else is given [N, given] to images [N, channels, size, size]."""

    def __init__(
        self,
        channels: int,
        size: int,
        latent_dim: int,
        width: int,
        output: str,
        wiring: Wiring = PLAIN,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.output_range = OUTPUT_RANGES[output]
        self.takes_input = bool(wiring.given) and wiring.generator == "input"
        first = latent_dim + (wiring.given if self.takes_input else 0)
        widths, side = _block_widths(size, width)[::-1], SMALLEST[size]

        def norm(channels: int, kind: type[nn.BatchNorm1d] | type[nn.BatchNorm2d] = nn.BatchNorm2d) -> nn.Module:
            if wiring.given and wiring.generator == "norm":
                return ConditionalBatchNorm(kind(channels, affine=False), wiring.given)
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

    def forward(self, latent: Tensor, given: Tensor | None = None) -> Tensor:
        if self.takes_input and given is not None:
            latent = torch.cat([latent, given], dim=1)
        return self.layers(latent, given)


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
    """Units of the discriminator's last hidden layer: the coarsest feature map, or what is fully connected to it."""
    return hidden or _block_widths(size, width)[-1] * SMALLEST[size] ** 2


class DcganDiscriminator(nn.Module):
    """Images [N, channels, size, size], and what else is given [N, given], to raw logits [N].

    What is given as an input becomes a constant plane each, beside the channels of the image.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        width: int,
        norm: str = "batch",
        spectral_norm: bool = False,
        wiring: Wiring = PLAIN,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        self.mixes_batch = norm == "batch"  # a sample's logit then depends on its batch
        # Each pass counts for spectral norm, whose power iteration it takes a step further.
        self.takes_parts = self.mixes_batch and not spectral_norm
        self.takes_input = wiring.discriminator == "input"
        first = channels + (wiring.given if self.takes_input else 0)
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
        projects = wiring.discriminator == "projection"
        features = _num_features(size, width, hidden)
        self.projection = Projection(wiring.given, features, spectral_norm) if projects else None
        initialize_(self)
        self.to(memory_format=torch.channels_last)
        if spectral_norm:
            normalize_spectrum_(self)

    @contextmanager
    def parted(self, parts: int) -> Iterator[None]:
        """Inside, samples see only those of their own of `parts` equal shares of a batch, as in so many passes."""
        norms = [layer for layer in self.layers if isinstance(layer, PartedBatchNorm)]
        for layer in norms:
            layer.parts = parts
        try:
            yield
        finally:
            for layer in norms:
                layer.parts = 1

    def features(self, images: Tensor, given: Tensor | None = None) -> Tensor:
        """What the last hidden layer makes of each image: [N, channels, side, side], or [N, hidden, 1, 1]."""
        *hidden, _, _ = self.layers
        x = images
        if self.takes_input and given is not None:
            x = torch.cat([x, given[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)
        for layer in hidden:
            x = layer(x)
        return x

    def logit(self, features: Tensor, given: Tensor | None = None) -> Tensor:
        """The raw logit [N] of images with these features."""
        *_, last, flatten = self.layers
        logits = flatten(last(features))
        return logits if self.projection is None else logits + self.projection(features.flatten(1), given)

    def forward(self, images: Tensor, given: Tensor | None = None) -> Tensor:
        return self.logit(self.features(images, given), given)


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


def networks(options: Any, shape: tuple[int, ...], wiring: Wiring = PLAIN) -> dict[str, Callable[[], nn.Module]]:
    """A generator and a discriminator for images of `shape` [C, H, W], or an auto-encoder and its discriminators.

    A discriminator of codes, which are no images, is fully connected.
    """
    if len(shape) != 3:
        raise BadInput(f"model={options.name}: convolves images, and this data set holds points; use model=mlp")
    channels, height, width = shape
    if height != width or height not in SMALLEST:
        raise BadInput(
            f"model={options.name}: makes images of 28, 32 or 64 pixels, not {height}x{width}; "
            "use data.image_size=32 or 64 with data=folder, or model=mlp"
        )
    output = "tanh" if options.output == "auto" else options.output

    def generator() -> DcganGenerator:
        return DcganGenerator(channels, height, options.latent_dim, options.width, output, wiring, options.hidden)

    if not wiring.autoencoder:
        made: dict[str, Callable[[], nn.Module]] = {
            "generator": generator,
            "discriminator": lambda: DcganDiscriminator(
                channels,
                height,
                options.width,
                options.discriminator_norm,
                options.spectral_norm,
                wiring,
                options.hidden,
            ),
        }
        return made | head(wiring, _num_features(height, options.width, options.hidden))

    def critic(size: int) -> MlpDiscriminator:
        widths = [8 * options.width] * 2
        return MlpDiscriminator((size,), widths, "leaky_relu", 0.0, options.spectral_norm)

    made = {
        "encoder": lambda: DcganEncoder(
            channels, height, options.width, options.latent_dim + wiring.given, options.hidden
        ),
        "decoder": generator,
        "discriminator": lambda: critic(options.latent_dim),
    }
    return made | ({"class_discriminator": lambda: critic(wiring.given)} if wiring.given else {})
