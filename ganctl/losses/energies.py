"""Losses for autoencoder discriminators, which take a sample for real if they reconstruct it well.

Such a discriminator's logit is -L(x), minus its reconstruction error, so that a larger logit means "more real" as
everywhere: r = -L(x) and f = -L(G(z)).
"""

from torch import Tensor
from torch.nn.functional import relu

from ganctl.losses.adversarial import AdversarialLoss
from ganctl.losses.margins import critic_generator


def ebgan_discriminator(real_logits: Tensor, fake_logits: Tensor, margin: float = 1.0) -> Tensor:
    """J(D) = E L(x) + E max(0, m - L(G(z))).

    Source: Zhao et al. 2017 (EBGAN, arXiv:1609.03126), eq. 1.

    Args:
        margin: m > 0; a generated sample with a larger reconstruction error contributes nothing.
    """
    return relu(margin + fake_logits).mean() - real_logits.mean()


def began_discriminator(real_logits: Tensor, fake_logits: Tensor, k: float | Tensor = 0.0) -> Tensor:
    """J(D) = E L(x) - k E L(G(z)). Source: Berthelot et al. 2017 (BEGAN, arXiv:1703.10717), section 3.4.

    Args:
        k: weight in [0, 1], set by `began_balance`.
    """
    return k * fake_logits.mean() - real_logits.mean()


def began_balance(
    real_logits: Tensor,
    fake_logits: Tensor,
    k: float | Tensor = 0.0,
    gamma: float = 0.5,
    k_rate: float = 0.001,
) -> dict[str, Tensor]:
    """The proportional controller that keeps E L(G(z)) = gamma E L(x).

        k <- min(1, max(0, k + lambda (gamma L(x) - L(G(z)))))      M = L(x) + |gamma L(x) - L(G(z))|

    Source: Berthelot et al. 2017 (BEGAN, arXiv:1703.10717), sections 3.4 and 3.4.1.

    Args:
        gamma: the diversity ratio, in [0, 1]; a smaller one gives better but less diverse samples.
        k_rate: lambda.

    Returns: `k`, and `convergence`, the measure M, which is only logged.
    """
    real_error, fake_error = -real_logits.mean(), -fake_logits.mean()
    imbalance = gamma * real_error - fake_error
    return {"k": (k + k_rate * imbalance).clamp(0, 1), "convergence": real_error + imbalance.abs()}


ROWS = {
    "ebgan": AdversarialLoss(
        ebgan_discriminator,
        critic_generator,
        "Zhao et al. 2017, eq. 1 and 2",
        real_in_generator="absent",
        critic="autoencoder",
    ),
    "began": AdversarialLoss(
        began_discriminator,
        critic_generator,
        "Berthelot et al. 2017, section 3.4",
        real_in_generator="absent",
        critic="autoencoder",
        memory={"k": 0.0},
        remember=began_balance,
    ),
}
