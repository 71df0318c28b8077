"""Image translation networks after Zhu et al. 2017 (CycleGAN, arXiv:1703.10593, section 7.2), for small images.

The translator halves the resolution twice, applies residual blocks and doubles it twice (Johnson et al. 2016,
arXiv:1603.08155). Its first and its last kernel are 3x3 and not 7x7 pixels: the paper's images have 256 pixels a side.
The discriminator gives one logit per patch (Isola et al. 2017, PatchGAN, arXiv:1611.07004, section 3.2.2). Both use
instance norm (Ulyanov et al. 2016, arXiv:1607.08022), which is per sample.

Weights and maps keep torch's usual memory format, in which group norm takes a tenth of its time in channels_last.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ganctl.errors import BadInput
from ganctl.models.dcgan import initialize_
from ganctl.models.layers import OUTPUT_RANGES, OUTPUTS, normalize_spectrum_
from ganctl.models.roles import Discriminator, Factory, Family, Roles, Translator


def instance_norm(channels: int) -> nn.Module:
    """Instance norm without weights. (Group norm with as many groups as channels is the same, and faster.)"""
    return nn.GroupNorm(channels, channels, affine=False)


class ReflectionPadded(nn.Module):
    """Adds one reflected row or column at each border. (The gradient of torch's own is not deterministic on a GPU.)"""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x[..., 1:2], x, x[..., -2:-1]], dim=-1)
        return torch.cat([x[..., 1:2, :], x, x[..., -2:-1, :]], dim=-2)


class ResidualBlock(nn.Module):
    """x + f(x), where f has two convolutions, each with instance norm, and a ReLU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ReflectionPadded(),
            *_convolved(width, width, padding=0),
            ReflectionPadded(),
            nn.Conv2d(width, width, 3, bias=False),
            instance_norm(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _convolved(before: int, after: int, stride: int = 1, padding: int = 1) -> list[nn.Module]:
    """A convolution with a kernel of 3x3, instance norm and ReLU."""
    return [nn.Conv2d(before, after, 3, stride, padding, bias=False), instance_norm(after), nn.ReLU(inplace=True)]


class ResNetTranslator(nn.Module):
    """Images [N, channels, H, W] to images [N, to, H, W], sides a multiple of 4.

    Args:
        channels: channels of the input.
        to: channels of the output.
        blocks: number of residual blocks.
        width: channels at the full resolution; twice and four times as many at a half and a quarter of it.
        output: name of the output activation.
    """

    def __init__(self, channels: int, to: int, blocks: int, width: int, output: str) -> None:
        super().__init__()
        self.output_range = OUTPUT_RANGES[output]
        layers = [ReflectionPadded(), *_convolved(channels, width, padding=0)]
        layers += [*_convolved(width, 2 * width, stride=2), *_convolved(2 * width, 4 * width, stride=2)]
        layers += [ResidualBlock(4 * width) for _ in range(blocks)]
        for before in (4 * width, 2 * width):
            layers += [
                nn.ConvTranspose2d(before, before // 2, 4, stride=2, padding=1, bias=False),
                instance_norm(before // 2),
                nn.ReLU(inplace=True),
            ]
        layers += [ReflectionPadded(), nn.Conv2d(width, to, 3), OUTPUTS[output]()]
        self.layers = nn.Sequential(*layers)
        initialize_(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class PatchDiscriminator(nn.Module):
    """Images [N, channels, H, W] to raw logits [N, H/4, W/4], one for each patch of 18x18 pixels (as far as it lies in
    the image)."""

    coupling = "none"

    def __init__(self, channels: int, width: int, spectral_norm: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
            instance_norm(2 * width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * width, 1, 3, padding=1),
            nn.Flatten(),
        )
        initialize_(self)
        if spectral_norm:
            normalize_spectrum_(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def _check(options: Any, shape: tuple[int, ...]) -> None:
    """Raises BadInput if these networks do not support samples of `shape`."""
    if len(shape) != 3:
        raise BadInput(f"model={options.name}: translates images, and this data set holds points; use model=mlp")
    if any(side % 4 or side < 8 for side in shape[1:]):
        raise BadInput(
            f"model={options.name}: takes images whose sides are multiples of 4, at least 8, not "
            f"{shape[1]}x{shape[2]}; use another data.image_size"
        )


def translator(options: Any, role: Translator, roles: Roles) -> Factory:
    """Returns a function that builds a translator between images of equal size.

    Raises:
        BadInput: the samples are no images, or have sizes that the network does not support.
    """
    del roles
    if len(role.shape) == len(role.to) == 3 and role.shape[1:] != role.to[1:]:
        raise BadInput(
            f"model={options.name}: translates images of {role.shape[1]}x{role.shape[2]} pixels to the same size, not "
            f"{role.to[1]}x{role.to[2]}; use model=srresnet"
        )
    _check(options, role.shape)
    output = "tanh" if options.output == "auto" else options.output
    return lambda: ResNetTranslator(role.shape[0], role.to[0], options.blocks, options.width, output)


def discriminator(options: Any, role: Discriminator, roles: Roles) -> Factory:
    """Returns a function that builds a discriminator of patches."""
    del roles
    _check(options, role.shape)
    return lambda: PatchDiscriminator(role.shape[0], options.discriminator_width, options.spectral_norm)


FAMILY = Family({Translator: translator, Discriminator: discriminator}, conditional=False)
