"""Fully connected networks, for images and for points."""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.errors import BadInput
from ganctl.models.conditioning import ConditionalBatchNorm, Conditioned, FeatureHead, Projection
from ganctl.models.layers import OUTPUT_RANGES, OUTPUTS, Dropout, normalize_spectrum_
from ganctl.models.roles import Discriminator, Encoder, Factory, Family, Generator, Head, Roles, Translator

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": partial(nn.LeakyReLU, 0.2),
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
}


class MlpGenerator(nn.Module):
    """Latent vectors [N, latent_dim], and conditions [N, condition], to samples [N, *shape]."""

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        widths: list[int],
        activation: str,
        output: str,
        condition: int = 0,
        how: str = "input",
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.output_range = OUTPUT_RANGES[output]
        self.takes_input = bool(condition) and how == "input"
        first = latent_dim + (condition if self.takes_input else 0)
        layers: list[nn.Module] = []
        for before, after in zip([first, *widths], widths, strict=False):
            layers.append(nn.Linear(before, after))
            if condition and how == "norm":
                layers.append(ConditionalBatchNorm(nn.BatchNorm1d(after, affine=False), condition))
            layers.append(ACTIVATIONS[activation]())
        layers += [
            nn.Linear([first, *widths][-1], prod(shape)),
            OUTPUTS[output](),
            nn.Unflatten(1, shape),
        ]
        self.layers = Conditioned(*layers)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        if self.takes_input and condition is not None:
            latent = torch.cat([latent, condition], dim=1)
        return self.layers(latent, condition)


class MlpDiscriminator(nn.Module):
    """Samples [N, *shape], and conditions [N, condition], to raw logits [N]."""

    coupling = "none"

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: list[int],
        activation: str,
        dropout: float,
        spectral_norm: bool = False,
        condition: int = 0,
        how: str = "input",
    ) -> None:
        super().__init__()
        self.takes_input = bool(condition) and how == "input"
        first = prod(shape) + (condition if self.takes_input else 0)
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in zip([first, *widths], widths, strict=False):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation](), Dropout(dropout)]
        self.num_features = [first, *widths][-1]
        layers.append(nn.Linear(self.num_features, 1))
        self.layers = nn.Sequential(*layers)
        projects = bool(condition) and how == "projection"
        self.projection = Projection(condition, self.num_features, spectral_norm) if projects else None
        if spectral_norm:
            normalize_spectrum_(self)

    def features(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        """The last hidden layer's output for each sample, [N, num_features]."""
        *hidden, _ = self.layers
        x = samples.flatten(1)
        if self.takes_input and condition is not None:
            x = torch.cat([x, condition], dim=1)
        for layer in hidden:
            x = layer(x)
        return x

    def logit(self, features: Tensor, condition: Tensor | None = None) -> Tensor:
        """The raw logits [N] of samples with these features."""
        logits = self.layers[-1](features).squeeze(1)
        return logits if self.projection is None else logits + self.projection(features, condition)

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.logit(self.features(samples, condition), condition)


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


class MlpTranslator(nn.Module):
    """Samples [N, *shape] to samples [N, *to]."""

    def __init__(self, shape: tuple[int, ...], to: tuple[int, ...], widths: list[int], activation: str, output: str):
        super().__init__()
        self.output_range = OUTPUT_RANGES[output]
        self.layers = nn.Sequential(
            MlpEncoder(shape, widths, activation, prod(to)), OUTPUTS[output](), nn.Unflatten(1, to)
        )

    def forward(self, samples: Tensor) -> Tensor:
        return self.layers(samples)


def output_of(options: Any, shape: tuple[int, ...]) -> str:
    """The name of the output activation of a network that generates samples of `shape`: [C, H, W] or, for points, [2].

    Raises:
        BadInput: the chosen output does not suit such samples.
    """
    images = len(shape) == 3
    output = ("tanh" if images else "none") if options.output == "auto" else options.output
    if images == (output == "none"):
        allowed = "tanh or sigmoid for images" if images else "none for points, which have no bounds"
        raise BadInput(f"model.output={output}: choose {allowed}, or auto")
    return output


def generator(options: Any, role: Generator, roles: Roles) -> Factory:
    """Returns a function that builds a generator.

    Raises:
        BadInput: the output does not suit the samples, or conditional batch norm is needed without a hidden layer.
    """
    del roles
    output = output_of(options, role.shape)
    if role.how == "norm" and not options.generator_widths:
        raise BadInput(
            "model.generator_widths=[]: the class comes in by the batch norm of hidden layers, and there is none; give "
            "one, as in model.generator_widths=[256], or use game=cgan"
        )
    return lambda: MlpGenerator(
        role.shape, options.latent_dim, options.generator_widths, options.activation, output, role.condition, role.how
    )


def discriminator(options: Any, role: Discriminator, roles: Roles) -> Factory:
    """Returns a function that builds a discriminator."""
    del roles
    return lambda: MlpDiscriminator(
        role.shape,
        options.discriminator_widths,
        options.activation,
        options.dropout,
        options.spectral_norm,
        role.condition,
        role.how,
    )


def encoder(options: Any, role: Encoder, roles: Roles) -> Factory:
    """Returns a function that builds an encoder with the generator's widths in reverse order."""
    del roles
    return lambda: MlpEncoder(role.shape, options.generator_widths[::-1], options.activation, role.outputs)


def head(options: Any, role: Head, roles: Roles) -> Factory:
    """Returns a function that builds a head on the last hidden layer of a discriminator."""
    of = roles[role.of]
    assert isinstance(of, Discriminator)
    features = options.discriminator_widths[-1] if options.discriminator_widths else prod(of.shape)
    return lambda: FeatureHead(features, role.outputs)


def translator(options: Any, role: Translator, roles: Roles) -> Factory:
    """Returns a function that builds a translator."""
    del roles
    output = output_of(options, role.to)
    return lambda: MlpTranslator(role.shape, role.to, options.generator_widths, options.activation, output)


FAMILY = Family(
    {Generator: generator, Discriminator: discriminator, Encoder: encoder, Head: head, Translator: translator}
)
