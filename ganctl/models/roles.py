"""Roles: descriptions of the networks that a game needs. A model family builds roles and does not depend on games."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn


@dataclass(frozen=True)
class Role:
    """The purpose and the shapes of a network."""


@dataclass(frozen=True)
class Generator(Role):
    """Latent vectors [N, latent_dim], and conditions [N, condition] if there are any, to samples [N, *shape].

    The network has an attribute `latent_dim`, and `output_range` if its samples are bounded.

    Attributes:
        shape: shape of one sample.
        condition: size of the condition of a sample (a one-hot class, or codes); 0: none.
        how: use of the condition: "input" (concatenated to the latent vector) or "norm" (conditional batch norm).
    """

    shape: tuple[int, ...]
    condition: int = 0
    how: Literal["input", "norm"] = "input"


@dataclass(frozen=True)
class Discriminator(Role):
    """Samples [N, *shape], and conditions [N, condition] if there are any, to raw logits [N, ...].

    The network may have an attribute `coupling` that states how samples of a batch influence each other's logits:
    "none"; "norm" (batch norm: real and generated samples take separate passes, and penalties per sample are refused);
    or "group" (minibatch statistics: separate passes too, but penalties per sample are allowed). Default: "norm".

    Attributes:
        shape: shape of one sample: an image, a point, or a latent vector.
        condition: size of the condition of a sample; 0: none.
        how: use of the condition: "input" (concatenated to the sample) or "projection".
    """

    shape: tuple[int, ...]
    condition: int = 0
    how: Literal["input", "projection"] = "input"


@dataclass(frozen=True)
class Encoder(Role):
    """Samples [N, *shape] to vectors [N, outputs]."""

    shape: tuple[int, ...]
    outputs: int


@dataclass(frozen=True)
class Head(Role):
    """Features [N, ...] of samples, computed by the network named `of`, to vectors [N, outputs]."""

    of: str
    outputs: int


@dataclass(frozen=True)
class Translator(Role):
    """Samples [N, *shape] to samples [N, *to].

    The network has an attribute `output_range` if its samples are bounded.

    Attributes:
        shape: shape of one input sample.
        to: shape of one output sample.
    """

    shape: tuple[int, ...]
    to: tuple[int, ...]


@dataclass(frozen=True)
class Pretrained(Role):
    """A network with known weights: images [N, C, H, W] within [-1, 1] to (features [N, D], logits [N, classes]).

    No model builds it and no player updates it. Its weights are saved in every checkpoint. The classifier is not the
    one that `evaluate` uses: a game that minimized a distance in the features of that one would get too good metrics.

    Attributes:
        source: "classifier" (of the data set) or "vgg19" (which has no logits).
        file: file of the weights of VGG-19; None: they are downloaded.
    """

    source: Literal["classifier", "vgg19"] = "classifier"
    file: str | None = None


Roles = Mapping[str, Role]
Factory = Callable[[], nn.Module]

# (options of the model, the role, all roles of the game by network name) -> factory of the network. The builder itself
# refuses options that do not fit; factories are called one by one, each within the random stream of its own weights.
Builder = Callable[[Any, Any, Roles], Factory]


def plain(shape: tuple[int, ...]) -> dict[str, Role]:
    """The roles of a GAN without conditions, for samples of `shape`."""
    return {"generator": Generator(shape), "discriminator": Discriminator(shape)}


@dataclass(frozen=True)
class Family:
    """Networks of one architecture.

    Attributes:
        builders: the builder of each role that this architecture supports.
        conditional: whether its networks support conditions.
    """

    builders: Mapping[type[Role], Builder]
    conditional: bool = True

    def lacks(self, roles: Roles) -> str | None:
        """The reason why the family cannot build these roles, as the end of a sentence; None if it can."""
        if any(getattr(role, "condition", 0) for role in roles.values()) and not self.conditional:
            return "has no place for codes or classes"
        for role in roles.values():
            if type(role) not in self.builders:
                return f"has no {type(role).__name__.lower()}"
        return None

    def factories(self, options: Any, roles: Roles) -> dict[str, Factory]:
        """The factory of each network, by name.

        Args:
            options: options of the model.
            roles: roles that the family supports (see `lacks`).

        Raises:
            BadInput: the options do not fit the samples.
        """
        return {name: self.builders[type(role)](options, role, roles) for name, role in roles.items()}

    def __call__(self, options: Any, shape: tuple[int, ...]) -> dict[str, Factory]:
        """The factories of a generator and a discriminator for samples of `shape`, in the form of a plugin's model."""
        return self.factories(options, plain(shape))
