"""Super-resolution networks after Ledig et al. 2017 (SRGAN, arXiv:1609.04802, section 2.1 and figure 4).

The generator consists of residual blocks at the low resolution and sub-pixel convolutions. The discriminator is that of
`dcgan`: strided convolutions, leaky ReLU with slope 0.2, and a fully connected layer.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.errors import BadInput
from ganctl.models import dcgan
from ganctl.models.layers import OUTPUT_RANGES, OUTPUTS
from ganctl.models.roles import Discriminator, Factory, Family, Roles, Translator


class Residual(nn.Module):
    """x + f(x), where f has two convolutions with a ReLU between them, and batch norm after each if `norm` is set."""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(width, width, 3, padding=1, bias=not norm)]
        layers += [nn.BatchNorm2d(width)] if norm else []
        layers += [nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, padding=1, bias=not norm)]
        layers += [nn.BatchNorm2d(width)] if norm else []
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class SrResNet(nn.Module):
    """Images [N, channels, h, w] of any size to images [N, channels, factor h, factor w].

    The paper's kernels of 9x9 pixels are 3x3 here, since a low resolution of 7 pixels has no room for more, and ReLU
    stands for parametric ReLU. Without batch norm (`norm="none"`) a step is faster, and the range of the images is kept
    better (Lim et al. 2017, EDSR, arXiv:1707.02921, section 3.1).

    Args:
        channels: channels of the images.
        factor: enlargement, a power of 2.
        blocks: number of residual blocks.
        width: channels of the feature maps.
        norm: "batch" or "none".
        output: name of the output activation.

    Attributes:
        reach: the output at a pixel depends on no input further away than this, in pixels of the input.
        floats_per_pixel: the numbers that the largest maps hold at once for a pixel of the input, without gradients.
    """

    def __init__(self, channels: int, factor: int, blocks: int, width: int, norm: str, output: str) -> None:
        super().__init__()
        self.output_range = OUTPUT_RANGES[output]
        doublings = factor.bit_length() - 1
        self.reach = 2 * blocks + 2 + math.ceil(sum(0.5**level for level in range(doublings + 1)))
        self.floats_per_pixel = 3 * width * factor**2
        self.first = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True))
        body: list[nn.Module] = [Residual(width, norm == "batch") for _ in range(blocks)]
        body.append(nn.Conv2d(width, width, 3, padding=1, bias=norm == "none"))
        body += [nn.BatchNorm2d(width)] if norm == "batch" else []
        self.body = nn.Sequential(*body)
        enlarging: list[nn.Module] = []
        for _ in range(doublings):
            enlarging += [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.ReLU(inplace=True)]
        self.last = nn.Sequential(*enlarging, nn.Conv2d(width, channels, 3, padding=1), OUTPUTS[output]())
        initialize_(self)
        self.to(memory_format=torch.channels_last)

    def forward(self, low: Tensor) -> Tensor:
        x = self.first(low)
        return self.last(x + self.body(x))


def initialize_(network: nn.Module) -> None:
    """Draws weights from N(0, 2 / fan in) (He et al. 2015, arXiv:1502.01852, section 2.2); biases are 0.

    Those of each block's last convolution are 0.1 times as large, so that without batch norm a deep network begins
    close to the identity.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, Residual):
                last = [each for each in layer.layers if isinstance(each, nn.Conv2d)][-1]
                last.weight.mul_(0.1)


def translator(options: Any, role: Translator, roles: Roles) -> Factory:
    """Returns a function that builds a generator of larger images.

    Raises:
        BadInput: the output is not 1, 2, 4 or 8 times as large as the input.
    """
    del roles
    if len(role.to) != 3 or len(role.shape) != 3:
        raise BadInput(f"model={options.name}: enlarges images, and this data set holds points; use model=mlp")
    factor = role.to[1] // role.shape[1]
    if role.to != (role.shape[0], *(factor * side for side in role.shape[1:])) or factor not in (1, 2, 4, 8):
        raise BadInput(
            f"model={options.name}: makes images 2, 4 or 8 times as large, not {list(role.to)} of {list(role.shape)}; "
            "use game=srgan, or model=mlp"
        )
    output = "tanh" if options.output == "auto" else options.output
    return lambda: SrResNet(role.shape[0], factor, options.blocks, options.width, options.norm, output)


def discriminator(options: Any, role: Discriminator, roles: Roles) -> Factory:
    """Returns a function that builds a discriminator of images."""
    return dcgan.discriminator(options, role, roles)


FAMILY = Family({Translator: translator, Discriminator: discriminator}, conditional=False)
