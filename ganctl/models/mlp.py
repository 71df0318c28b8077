"""Fully connected networks, for images and for points."""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

from torch import Tensor, nn

from ganctl.errors import BadInput
from ganctl.models.layers import OUTPUT_RANGES, OUTPUTS, Dropout, normalize_spectrum_

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": partial(nn.LeakyReLU, 0.2),
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
}


class MlpGenerator(nn.Module):
    """Latent vectors [N, latent_dim] to samples [N, *shape]."""

    def __init__(
        self, shape: tuple[int, ...], latent_dim: int, widths: list[int], activation: str, output: str
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.output_range = OUTPUT_RANGES[output]
        layers: list[nn.Module] = []
        for before, after in zip([latent_dim, *widths], widths, strict=False):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation]()]
        layers += [
            nn.Linear([latent_dim, *widths][-1], prod(shape)),
            OUTPUTS[output](),
            nn.Unflatten(1, shape),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, latent: Tensor) -> Tensor:
        return self.layers(latent)


class MlpDiscriminator(nn.Module):
    """Samples [N, *shape] to raw logits [N]."""

    mixes_batch = False  # no layer lets one sample see another

    def __init__(
        self, shape: tuple[int, ...], widths: list[int], activation: str, dropout: float, spectral_norm: bool = False
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in zip([prod(shape), *widths], widths, strict=False):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation](), Dropout(dropout)]
        layers.append(nn.Linear([prod(shape), *widths][-1], 1))
        self.layers = nn.Sequential(*layers)
        if spectral_norm:
            normalize_spectrum_(self)

    def forward(self, samples: Tensor) -> Tensor:
        return self.layers(samples).squeeze(1)


def generator(options: Any, shape: tuple[int, ...]) -> Callable[[], MlpGenerator]:
    """The factory of a generator for samples of `shape`: [C, H, W] of an image, [2] of a point.

    Raises:
        BadInput: an output that the samples do not have.
    """
    images = len(shape) == 3
    output = ("tanh" if images else "none") if options.output == "auto" else options.output
    if images == (output == "none"):
        allowed = "tanh or sigmoid for images" if images else "none for points, which have no bounds"
        raise BadInput(f"model.output={output}: choose {allowed}, or auto")
    return lambda: MlpGenerator(shape, options.latent_dim, options.generator_widths, options.activation, output)


def networks(options: Any, shape: tuple[int, ...]) -> dict[str, Callable[[], nn.Module]]:
    """A generator and a discriminator for samples of `shape`."""
    return {
        "generator": generator(options, shape),
        "discriminator": lambda: MlpDiscriminator(
            shape, options.discriminator_widths, options.activation, options.dropout, options.spectral_norm
        ),
    }
