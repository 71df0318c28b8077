"""Network architectures. A model builds the networks that a game asks for; discriminators return raw logits."""

from collections.abc import Callable

from torch import nn

from ganctl.models import autoencoder, dcgan, mlp, resnet, srresnet
from ganctl.models.roles import (
    Discriminator,
    Encoder,
    Family,
    Generator,
    Head,
    Pretrained,
    Role,
    Roles,
    Translator,
    plain,
)

# A plugin may also add a function (options, shape of a sample) -> {"generator": factory, "discriminator": factory}, for
# games that need only these two networks.
MODELS: dict[str, Family | Callable[..., dict[str, Callable[[], nn.Module]]]] = {
    "mlp": mlp.FAMILY,
    "mlp_small": mlp.FAMILY,  # with other defaults, see its yaml
    "dcgan": dcgan.FAMILY,
    "dcgan_small": dcgan.FAMILY,  # with other defaults, see its yaml
    "autoencoder": autoencoder.FAMILY,
    "autoencoder_small": autoencoder.FAMILY,  # with other defaults, see its yaml
    "srresnet": srresnet.FAMILY,
    "resnet": resnet.FAMILY,
}

__all__ = [
    "MODELS", "Discriminator", "Encoder", "Family", "Generator", "Head", "Pretrained", "Role", "Roles", "Translator",
    "plain",
]  # fmt: skip
