"""Terms that a player may add to its adversarial objective."""

from torch import Tensor
from torch.nn.functional import normalize


def pulling_away(features: Tensor) -> Tensor:
    """The mean squared cosine between the features of two different samples, in [0, 1]: small where samples differ.

    Source: Zhao et al. 2017 (EBGAN, arXiv:1609.03126), section 2.4.

    Args:
        features: [N, K] of generated samples, N at least 2.
    """
    count, directions = len(features), normalize(features, dim=1)
    squares = (directions @ directions.T).square()
    return (squares.sum() - squares.diagonal().sum()) / (count * (count - 1))
