"""Terms that a player may add to its adversarial objective."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def pulling_away(features: Tensor) -> Tensor:
    """The mean squared cosine between the features of two different samples, in [0, 1]: small where samples differ.

    Source: Zhao et al. 2017 (EBGAN, arXiv:1609.03126), section 2.4.

    Args:
        features: [N, K] of generated samples, N at least 2.
    """
    count = len(features)
    cosines = normalize(features, dim=1) @ normalize(features, dim=1).T
    different = ~torch.eye(count, dtype=torch.bool, device=features.device)
    return cosines.square().masked_select(different).sum() / (count * (count - 1))
