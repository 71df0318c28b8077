"""The networks that a game asks for, each by its role. A model family builds roles and knows nothing of games."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn


@dataclass(frozen=True)
class Role:
    """What a network is for."""


@dataclass(frozen=True)
class Generator(Role):
    """Latent vectors [N, latent_dim], and conditions [N, condition] where there are any, to samples [N, *shape].

    The network has an attribute `latent_dim`, and `output_range` where its samples have bounds.

    Attributes:
        shape: of one sample.
        condition: numbers that each sample is conditioned on: a one-hot class, or codes.
        how: where the condition enters: input (beside the latent vector) or norm (conditional batch norm).
    """

    shape: tuple[int, ...]
    condition: int = 0
    how: Literal["input", "norm"] = "input"


@dataclass(frozen=True)
class Discriminator(Role):
    """Samples [N, *shape], and conditions [N, condition] where there are any, to raw logits [N, ...].

    The network may say by an attribute `coupling` how samples of a batch influence each other's logits: "none", "norm"
    (batch norm: real and generated ones take separate passes, and penalties per sample are refused) or "group"
    (minibatch statistics: separate passes too, and penalties per sample are allowed). Without it: "norm".

    Attributes:
        shape: of one sample: an image, a point, or a latent vector.
        condition: numbers that each sample is conditioned on.
        how: where the condition enters: input (beside the sample) or projection.
    """

    shape: tuple[int, ...]
    condition: int = 0
    how: Literal["input", "projection"] = "input"


@dataclass(frozen=True)
class Encoder(Role):
    """Samples [N, *shape] to numbers [N, outputs]."""

    shape: tuple[int, ...]
    outputs: int


@dataclass(frozen=True)
class Head(Role):
    """The features that the network named `of` has of samples, [N, ...], to numbers [N, outputs]."""

    of: str
    outputs: int


@dataclass(frozen=True)
class Translator(Role):
    """Samples [N, *shape] to samples [N, *to].

    The network has an attribute `output_range` where its samples have bounds.

    Attributes:
        shape: of one sample that goes in.
        to: shape of the sample that comes out.
    """

    shape: tuple[int, ...]
    to: tuple[int, ...]


Roles = Mapping[str, Role]
Factory = Callable[[], nn.Module]

# (options of the model, the role, all roles of the game by network name) -> what makes the network. It refuses options
# that do not fit at once; the factories are called one by one, each inside the random stream of its own weights.
Builder = Callable[[Any, Any, Roles], Factory]


def plain(shape: tuple[int, ...]) -> dict[str, Role]:
    """The roles of a GAN without conditions, for samples of `shape`."""
    return {"generator": Generator(shape), "discriminator": Discriminator(shape)}


@dataclass(frozen=True)
class Family:
    """Networks of one architecture.

    Attributes:
        builders: how each role is built that this architecture has.
        conditional: whether its networks take conditions.
    """

    builders: Mapping[type[Role], Builder]
    conditional: bool = True

    def lacks(self, roles: Roles) -> str | None:
        """Why the family cannot build these roles, in words; None where it can."""
        if any(getattr(role, "condition", 0) for role in roles.values()) and not self.conditional:
            return "has no place for codes or classes"
        for role in roles.values():
            if type(role) not in self.builders:
                return f"has no {type(role).__name__.lower()}"
        return None

    def factories(self, options: Any, roles: Roles) -> dict[str, Factory]:
        """What makes each network, by name.

        Args:
            options: of the model.
            roles: none that the family lacks.

        Raises:
            BadInput: options that do not fit the samples.
        """
        return {name: self.builders[type(role)](options, role, roles) for name, role in roles.items()}

    def __call__(self, options: Any, shape: tuple[int, ...]) -> dict[str, Factory]:
        """What makes a generator and a discriminator for samples of `shape`, as a plugin's model does."""
        return self.factories(options, plain(shape))
