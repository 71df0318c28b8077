"""Networks, by architecture. A model builds the networks that a game asks for; a discriminator returns raw logits."""

from collections.abc import Callable

from torch import nn

from ganctl.models import autoencoder, dcgan, mlp
from ganctl.models.roles import Discriminator, Encoder, Family, Generator, Head, Role, Roles, Translator, plain

# A plugin may also give a function (options, shape of a sample) -> {"generator": factory, "discriminator": factory},
# for games that ask for no more than these two.
MODELS: dict[str, Family | Callable[..., dict[str, Callable[[], nn.Module]]]] = {
    "mlp": mlp.FAMILY,
    "mlp_small": mlp.FAMILY,  # other defaults, in its yaml
    "dcgan": dcgan.FAMILY,
    "dcgan_small": dcgan.FAMILY,  # other defaults, in its yaml
    "autoencoder": autoencoder.FAMILY,
    "autoencoder_small": autoencoder.FAMILY,  # other defaults, in its yaml
}

__all__ = [
    "MODELS", "Discriminator", "Encoder", "Family", "Generator", "Head", "Role", "Roles", "Translator", "plain",
]  # fmt: skip
