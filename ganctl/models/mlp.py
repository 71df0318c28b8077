"""Fully connected networks, for images and for points."""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.errors import BadInput
from ganctl.models.layers import OUTPUT_RANGES, OUTPUTS, Dropout, normalize_spectrum_
from ganctl.models.wiring import PLAIN, ConditionalBatchNorm, Conditioned, Projection, Wiring, head

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": partial(nn.LeakyReLU, 0.2),
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
}


class MlpGenerator(nn.Module):
    """Latent vectors [N, latent_dim] and what else is given [N, given] to samples [N, *shape]."""

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        widths: list[int],
        activation: str,
        output: str,
        wiring: Wiring = PLAIN,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.output_range = OUTPUT_RANGES[output]
        self.takes_input = bool(wiring.given) and wiring.generator == "input"
        first = latent_dim + (wiring.given if self.takes_input else 0)
        layers: list[nn.Module] = []
        for before, after in zip([first, *widths], widths, strict=False):
            layers.append(nn.Linear(before, after))
            if wiring.given and wiring.generator == "norm":
                layers.append(ConditionalBatchNorm(nn.BatchNorm1d(after, affine=False), wiring.given))
            layers.append(ACTIVATIONS[activation]())
        layers += [
            nn.Linear([first, *widths][-1], prod(shape)),
            OUTPUTS[output](),
            nn.Unflatten(1, shape),
        ]
        self.layers = Conditioned(*layers)

    def forward(self, latent: Tensor, given: Tensor | None = None) -> Tensor:
        if self.takes_input and given is not None:
            latent = torch.cat([latent, given], dim=1)
        return self.layers(latent, given)


class MlpDiscriminator(nn.Module):
    """Samples [N, *shape], and what else is given [N, given], to raw logits [N]."""

    mixes_batch = False  # no layer lets one sample see another

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: list[int],
        activation: str,
        dropout: float,
        spectral_norm: bool = False,
        wiring: Wiring = PLAIN,
    ) -> None:
        super().__init__()
        self.takes_input = wiring.discriminator == "input"
        first = prod(shape) + (wiring.given if self.takes_input else 0)
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in zip([first, *widths], widths, strict=False):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation](), Dropout(dropout)]
        self.num_features = [first, *widths][-1]
        layers.append(nn.Linear(self.num_features, 1))
        self.layers = nn.Sequential(*layers)
        projects = wiring.discriminator == "projection"
        self.projection = Projection(wiring.given, self.num_features, spectral_norm) if projects else None
        if spectral_norm:
            normalize_spectrum_(self)

    def features(self, samples: Tensor, given: Tensor | None = None) -> Tensor:
        """What the last hidden layer makes of each sample, [N, num_features]."""
        *hidden, _ = self.layers
        x = samples.flatten(1)
        if self.takes_input and given is not None:
            x = torch.cat([x, given], dim=1)
        for layer in hidden:
            x = layer(x)
        return x

    def logit(self, features: Tensor, given: Tensor | None = None) -> Tensor:
        """The raw logit [N] of samples with these features."""
        logits = self.layers[-1](features).squeeze(1)
        return logits if self.projection is None else logits + self.projection(features, given)

    def forward(self, samples: Tensor, given: Tensor | None = None) -> Tensor:
        return self.logit(self.features(samples, given), given)


class MlpEncoder(nn.Module):
    """Samples [N, *shape] to `outputs` numbers [N, outputs]."""

    def __init__(self, shape: tuple[int, ...], widths: list[int], activation: str, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in zip([prod(shape), *widths], widths, strict=False):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation]()]
        self.layers = nn.Sequential(*layers, nn.Linear([prod(shape), *widths][-1], outputs))

    def forward(self, samples: Tensor) -> Tensor:
        return self.layers(samples)


def generator(options: Any, shape: tuple[int, ...], wiring: Wiring = PLAIN) -> Callable[[], MlpGenerator]:
    """The factory of a generator for samples of `shape`: [C, H, W] of an image, [2] of a point.

    Raises:
        BadInput: an output that the samples do not have.
    """
    images = len(shape) == 3
    output = ("tanh" if images else "none") if options.output == "auto" else options.output
    if images == (output == "none"):
        allowed = "tanh or sigmoid for images" if images else "none for points, which have no bounds"
        raise BadInput(f"model.output={output}: choose {allowed}, or auto")
    return lambda: MlpGenerator(shape, options.latent_dim, options.generator_widths, options.activation, output, wiring)


def networks(options: Any, shape: tuple[int, ...], wiring: Wiring = PLAIN) -> dict[str, Callable[[], nn.Module]]:
    """A generator and a discriminator for samples of `shape`, or an auto-encoder and its discriminators."""

    def critic(size: tuple[int, ...], wiring: Wiring = PLAIN) -> MlpDiscriminator:
        return MlpDiscriminator(
            size, options.discriminator_widths, options.activation, options.dropout, options.spectral_norm, wiring
        )

    if wiring.generator == "norm" and not options.generator_widths:
        raise BadInput(
            "model.generator_widths=[]: the class comes in by the batch norm of hidden layers, and there is none; give "
            "one, as in model.generator_widths=[256], or use game=cgan"
        )
    if wiring.autoencoder:
        outputs, widths = options.latent_dim + wiring.given, options.generator_widths[::-1]
        made: dict[str, Callable[[], nn.Module]] = {
            "encoder": lambda: MlpEncoder(shape, widths, options.activation, outputs),
            "decoder": generator(options, shape, wiring),
            "discriminator": lambda: critic((options.latent_dim,)),
        }
        return made | ({"class_discriminator": lambda: critic((wiring.given,))} if wiring.given else {})
    made = {"generator": generator(options, shape, wiring), "discriminator": lambda: critic(shape, wiring)}
    return made | head(wiring, options.discriminator_widths[-1] if options.discriminator_widths else prod(shape))
