"""Auxiliary terms that a game adds to a player's adversarial objective."""

import math

from torch import Tensor
from torch.nn.functional import log_softmax, normalize


def pulling_away(features: Tensor) -> Tensor:
    """The mean squared cosine between the features of two different samples, in [0, 1]: small if samples differ.

    Source: Zhao et al. 2017 (EBGAN, arXiv:1609.03126), section 2.4.

    Args:
        features: features of generated samples, [N, K], N at least 2.
    """
    count, directions = len(features), normalize(features, dim=1)
    squares = (directions @ directions.T).square()
    return (squares.sum() - squares.diagonal().sum()) / (count * (count - 1))


def categorical_information(logits: Tensor, codes: Tensor) -> Tensor:
    """log Q(c | x) + H(c) of each sample in nats, for a uniform code c with K values: at most H(c) = ln K.

    Its mean is a lower bound of the mutual information between c and x. Source: Chen et al. 2016 (InfoGAN,
    arXiv:1606.03657), eq. 5.

    Args:
        logits: logits of Q, [N, K].
        codes: the codes from which the samples were generated, one-hot [N, K].

    Returns: [N].
    """
    return (log_softmax(logits, dim=1) * codes).sum(dim=1) + math.log(logits.shape[1])


def gaussian_information(means: Tensor, codes: Tensor) -> Tensor:
    """log Q(c | x) + H(c) of each sample in nats, for c from U(-1, 1) and Q a Gaussian with standard deviation 1.

    With that standard deviation fixed, as in the paper's code, it is at most ln 2 - ln(2 pi) / 2 = -0.226. Source: Chen
    et al. 2016 (InfoGAN, arXiv:1606.03657), eq. 5.

    Args:
        means: means of Q, [N].
        codes: the codes from which the samples were generated, [N].

    Returns: [N].
    """
    return -(codes - means).square() / 2 - math.log(2 * math.pi) / 2 + math.log(2)
