"""Networks. A row makes the networks of a game for samples of one shape; a discriminator returns raw logits."""

from collections.abc import Callable

from torch import nn

from ganctl.models import autoencoder, dcgan, mlp
from ganctl.models.wiring import PLAIN, Wiring

# (options, shape of a sample, what the game asks for) -> {network name: factory}. The factories are called one by one,
# each inside the random stream of its own initial weights. A row without the third argument is for games that ask for
# nothing but a generator and a discriminator.
MODELS: dict[str, Callable[..., dict[str, Callable[[], nn.Module]]]] = {
    "mlp": mlp.networks,
    "mlp_small": mlp.networks,  # other defaults, in its yaml
    "dcgan": dcgan.networks,
    "dcgan_small": dcgan.networks,  # other defaults, in its yaml
    "autoencoder": autoencoder.networks,
    "autoencoder_small": autoencoder.networks,  # other defaults, in its yaml
}

__all__ = ["MODELS", "PLAIN", "Wiring"]
