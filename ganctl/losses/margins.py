"""Least squares, mean squared error of probabilities (from tutorials), Wasserstein and hinge losses.

In the formulas, r is the logit on real data, f the logit on generated data and E the mean over a batch.
"""

from torch import Tensor
from torch.nn.functional import relu

from ganctl.losses.adversarial import AdversarialLoss
from ganctl.losses.logistic import halved


def least_squares_discriminator(
    real_logits: Tensor, fake_logits: Tensor, fake_code: float = 0.0, real_code: float = 1.0
) -> Tensor:
    """J(D) = E (r - b)^2 / 2 + E (f - a)^2 / 2, on raw logits. The optimal logit where D cannot tell is (a + b) / 2.

    Source: Mao et al. 2017 (arXiv:1611.04076), eq. 2.

    Args:
        fake_code: a.
        real_code: b.
    """
    return (real_logits - real_code).square().mean() / 2 + (fake_logits - fake_code).square().mean() / 2


def least_squares_generator(real_logits: Tensor | None, fake_logits: Tensor, generator_code: float = 1.0) -> Tensor:
    """J(G) = E (f - c)^2 / 2.

    Source: Mao et al. 2017 (arXiv:1611.04076), eq. 2. J(G) is Pearson's chi^2 divergence only if b - c = 1 and
    b - a = 2 (eq. 7), as with a, b, c = -1, 1, 0 (eq. 8); the default is 0, 1, 1 (eq. 9).

    Args:
        generator_code: c.
    """
    del real_logits
    return (fake_logits - generator_code).square().mean() / 2


def probability_squares_discriminator(real_logits: Tensor, fake_logits: Tensor, half: bool = False) -> Tensor:
    """J(D) = E (D(x) - 1)^2 + E D(G(z))^2 with D the sigmoid of the logit. It is 1/2 where D cannot tell.

    Source: tutorials that replace the cross-entropy by a mean squared error and keep the sigmoid.
    """
    objective = (-real_logits).sigmoid().square().mean() + fake_logits.sigmoid().square().mean()
    return halved(objective, half)


def probability_squares_generator(real_logits: Tensor | None, fake_logits: Tensor, half: bool = False) -> Tensor:
    """J(G) = E (D(G(z)) - 1)^2 with D the sigmoid of the logit.

    dJ/df = -2 (1 - D)^2 D for one sample: unlike least squares on logits, the gradient vanishes where D is sure.
    """
    del real_logits
    return halved((-fake_logits).sigmoid().square().mean(), half)


def wasserstein_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """J(D) = E f - E r: minus the critic's estimate of the Wasserstein-1 distance, times the critic's slope.

    Source: Arjovsky et al. 2017 (arXiv:1701.07875), eq. 2 and algorithm 1, negated.
    """
    return fake_logits.mean() - real_logits.mean()


def critic_generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """J(G) = -E f. The gradient of a sample does not depend on how sure D is.

    Source: Arjovsky et al. 2017 (arXiv:1701.07875), algorithm 1; Miyato et al. 2018 (arXiv:1802.05957), eq. 17.
    """
    del real_logits
    return -fake_logits.mean()


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """J(D) = E max(0, 1 - r) + E max(0, 1 + f). It is 2 where D cannot tell.

    Source: Lim and Ye 2017 (arXiv:1705.02894); Miyato et al. 2018 (arXiv:1802.05957), eq. 16.
    """
    return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()


ROWS = {
    "least_squares": AdversarialLoss(
        least_squares_discriminator, least_squares_generator, "Mao et al. 2017, eq. 2 and 9", real_in_generator="absent"
    ),
    "mean_squared_error": AdversarialLoss(
        probability_squares_discriminator,
        probability_squares_generator,
        "tutorials: squares of probabilities",
        real_in_generator="absent",
        log_odds=True,
    ),
    "wasserstein": AdversarialLoss(
        wasserstein_discriminator,
        critic_generator,
        "Arjovsky et al. 2017, eq. 2",
        real_in_generator="absent",
        critic="bounded_slope",
    ),
    "hinge": AdversarialLoss(
        hinge_discriminator,
        critic_generator,
        "Lim and Ye 2017; Miyato et al. 2018, eq. 16 and 17",
        real_in_generator="absent",
    ),
}
