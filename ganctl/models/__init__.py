"""Networks. A row makes the networks of a game for samples of one shape; a discriminator returns raw logits."""

from collections.abc import Callable
from typing import Any

from torch import nn

from ganctl.models import autoencoder, dcgan, mlp

# (options, shape of a sample) -> {network name: factory}. The factories are called one by one, each inside
# the random stream of its own initial weights.
MODELS: dict[str, Callable[[Any, tuple[int, ...]], dict[str, Callable[[], nn.Module]]]] = {
    "mlp": mlp.networks,
    "mlp_small": mlp.networks,  # other defaults, in its yaml
    "dcgan": dcgan.networks,
    "autoencoder": autoencoder.networks,
    "autoencoder_small": autoencoder.networks,  # other defaults, in its yaml
}

__all__ = ["MODELS"]
