"""A fully connected generator, and an auto-encoder as discriminator (Zhao et al. 2017; Berthelot et al. 2017)."""

from itertools import pairwise
from math import prod
from typing import Any

from torch import Tensor, nn

from ganctl.models import mlp
from ganctl.models.roles import Discriminator, Factory, Family, Generator, Roles


class AutoencoderDiscriminator(nn.Module):
    """Samples [N, *shape] to logits [N]: minus the reconstruction error, so that larger means "more real".

    The error is the mean over a sample's elements of |x - D(x)| (l1: BEGAN, arXiv:1703.10717, section 3.1 with eta = 1)
    or of (x - D(x))^2 (l2: the square of EBGAN's norm, arXiv:1609.03126, section 2.3, divided by their number).
    """

    coupling = "none"
    reconstructs = True  # its logits are minus reconstruction errors

    def __init__(self, shape: tuple[int, ...], widths: list[int], activation: str, error: str) -> None:
        super().__init__()
        self.error = error
        layers: list[nn.Module] = []
        for before, after in pairwise([prod(shape), *widths, *widths[-2::-1], prod(shape)]):
            layers += [nn.Linear(before, after), mlp.ACTIVATIONS[activation]()]
        self.encoder = nn.Sequential(nn.Flatten(), *layers[: 2 * len(widths)])
        self.decoder = nn.Sequential(*layers[2 * len(widths) : -1])

    def encode(self, samples: Tensor) -> Tensor:
        """The code of each sample, [N, widths[-1]]."""
        return self.encoder(samples)

    def forward(self, samples: Tensor) -> Tensor:
        difference = self.decoder(self.encode(samples)) - samples.flatten(1)
        return -(difference.abs() if self.error == "l1" else difference.square()).mean(dim=1)


def discriminator(options: Any, role: Discriminator, roles: Roles) -> Factory:
    """Returns a function that builds an auto-encoder whose reconstruction error discriminates."""
    del roles
    return lambda: AutoencoderDiscriminator(role.shape, options.encoder_widths, options.activation, options.error)


FAMILY = Family({Generator: mlp.generator, Discriminator: discriminator}, conditional=False)
