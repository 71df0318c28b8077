"""Layers shared by the networks."""

from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.nn.utils.parametrizations import spectral_norm

from ganctl.numerics.streams import Masks

OUTPUTS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "none": nn.Identity}
# Values of black and white in the output of a generator; real images are scaled to match. Points have no such range.
OUTPUT_RANGES: dict[str, tuple[float, float] | None] = {
    "tanh": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "none": None,
}


class Dropout(nn.Module):
    """Dropout (Srivastava et al. 2014, JMLR 15) with a mask from a random stream of the run, not from torch's own.

    Each element is kept with probability `kept / 65536`, the multiple of 1/65536 nearest to 1 - rate, and divided by
    that probability, so that the expectation is exact.

    Args:
        rate: probability that an element is set to zero in training, in [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.kept = round((1 - rate) * 65536)
        self.stream: Masks | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.kept == 65536:
            return x
        if self.stream is None:  # the network is used outside of a run
            return dropout(x, self.rate)
        mask = self.stream.draw(x.numel(), self.kept).view(x.shape)
        return x * mask.to(x.dtype).mul_(65536 / self.kept)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


def attach_noise_(network: nn.Module, stream: Masks) -> None:
    """Makes every layer of `network` that draws random numbers use `stream`."""
    for layer in network.modules():
        if isinstance(layer, Dropout):
            layer.stream = stream


def normalize_spectrum_(network: nn.Module) -> None:
    """Divides the weight of every linear and convolutional layer by its largest singular value, at each use.

    Source: Miyato et al. 2018 (SNGAN, arXiv:1802.05957), eq. 8, with torch's parametrization: one power iteration per
    forward pass.
    """
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            spectral_norm(layer)
