"""Strided convolutions after Radford et al. 2015 (arXiv:1511.06434), for images of 28, 32 or 64 pixels.

Its guidelines (section 3): no pooling, batch normalization in both networks but not at the generator's output and
the discriminator's input, ReLU in the generator, leaky ReLU of slope 0.2 in the discriminator, tanh at the output,
weights from N(0, 0.02).
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from ganctl.errors import BadInput
from ganctl.models.layers import OUTPUT_RANGES, OUTPUTS, normalize_spectrum_

# What follows a convolution of the discriminator, by its channels. Layer norm is per sample, as penalties on the
# gradient need it (Gulrajani et al. 2017, section 4, "No critic batch normalization").
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
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
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d)):
            mean = 1.0 if isinstance(layer, nn.BatchNorm2d) else 0.0
            nn.init.normal_(layer.weight, mean, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class DcganGenerator(nn.Module):
    """Latent vectors [N, latent_dim] to images [N, channels, size, size]."""

    def __init__(self, channels: int, size: int, latent_dim: int, width: int, output: str) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.output_range = OUTPUT_RANGES[output]
        widths, side = _block_widths(size, width)[::-1], SMALLEST[size]
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            # A transposed convolution of a 1x1 map, whose every output pixel has its own weights.
            nn.ConvTranspose2d(latent_dim, widths[0], side, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for before, after in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), OUTPUTS[output]()]
        self.layers = nn.Sequential(*layers)
        initialize_(self)

    def forward(self, latent: Tensor) -> Tensor:
        return self.layers(latent)


class DcganDiscriminator(nn.Module):
    """Images [N, channels, size, size] to raw logits [N]."""

    def __init__(self, channels: int, size: int, width: int, norm: str = "batch", spectral_norm: bool = False) -> None:
        super().__init__()
        self.mixes_batch = norm == "batch"  # a sample's logit then depends on its batch
        widths = _block_widths(size, width)
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for before, after in pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 4, stride=2, padding=1, bias=norm == "none"),
                NORMS[norm](after),
                nn.LeakyReLU(0.2),
            ]
        layers += [nn.Conv2d(widths[-1], 1, SMALLEST[size]), nn.Flatten(0)]
        self.layers = nn.Sequential(*layers)
        initialize_(self)
        if spectral_norm:
            normalize_spectrum_(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def networks(options: Any, shape: tuple[int, ...]) -> dict[str, Callable[[], nn.Module]]:
    """A generator and a discriminator for images of `shape` [C, H, W]."""
    if len(shape) != 3:
        raise BadInput("model=dcgan: convolves images, and this data set holds points; use model=mlp")
    channels, height, width = shape
    if height != width or height not in SMALLEST:
        raise BadInput(
            f"model=dcgan: makes images of 28, 32 or 64 pixels, not {height}x{width}; "
            "use data.image_size=32 or 64 with data=folder, or model=mlp"
        )
    output = "tanh" if options.output == "auto" else options.output
    return {
        "generator": lambda: DcganGenerator(channels, height, options.latent_dim, options.width, output),
        "discriminator": lambda: DcganDiscriminator(
            channels, height, options.width, options.discriminator_norm, options.spectral_norm
        ),
    }
