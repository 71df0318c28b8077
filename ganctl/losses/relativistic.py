"""Relativistic losses, on the difference between the logits of real and of generated samples.

Source: Jolicoeur-Martineau 2018 (arXiv:1807.00734), section 4. A form phi is a decreasing function of the margin m, by
which a sample's logit exceeds the logit that it is compared with.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganctl.losses.adversarial import AdversarialLoss
from ganctl.losses.logistic import halved

FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "logistic": lambda margin: softplus(-margin),  # -log sigmoid(m)
    "least_squares": lambda margin: (margin - 1).square(),
    "hinge": lambda margin: relu(1 - margin),
}


def paired_discriminator(real_logits: Tensor, fake_logits: Tensor, form: str = "logistic") -> Tensor:
    """J(D) = E phi(r - f) over pairs of a real and a generated sample.

    In the logistic form it is ln 2 where D cannot tell. It is the paper's RSGAN, and RpGAN in Huang et al. 2024
    (R3GAN, arXiv:2501.05441), eq. 2.

    Raises:
        ValueError: the numbers of real and generated samples differ.
    """
    if real_logits.shape != fake_logits.shape:
        raise ValueError(
            f"{len(real_logits)} real and {len(fake_logits)} generated samples: pairs need as many of each"
        )
    return FORMS[form](real_logits - fake_logits).mean()


def paired_generator(real_logits: Tensor, fake_logits: Tensor, form: str = "logistic") -> Tensor:
    """J(G) = E phi(f - r): J(D) with real and generated exchanged."""
    return paired_discriminator(fake_logits, real_logits, form)


def average_discriminator(
    real_logits: Tensor, fake_logits: Tensor, form: str = "logistic", half: bool = False
) -> Tensor:
    """J(D) = E phi(r - E f) + E phi(E r - f): each sample is compared with the average of the other kind.

    In the logistic form it is 2 ln 2 where D cannot tell. The gradient flows through both averages.

    Args:
        form: logistic (RaSGAN), least_squares (RaLSGAN) or hinge (RaHingeGAN).
        half: whether to take half of the sum, as the paper's code does.
    """
    phi = FORMS[form]
    real_wins, fake_loses = real_logits - fake_logits.mean(), real_logits.mean() - fake_logits
    return halved(phi(real_wins).mean() + phi(fake_loses).mean(), half)


def average_generator(real_logits: Tensor, fake_logits: Tensor, form: str = "logistic", half: bool = False) -> Tensor:
    """J(G) = E phi(f - E r) + E phi(E f - r): J(D) with real and generated exchanged."""
    return average_discriminator(fake_logits, real_logits, form, half)


ROWS = {
    "relativistic_paired": AdversarialLoss(
        paired_discriminator, paired_generator, "Jolicoeur-Martineau 2018, section 4"
    ),
    "relativistic_average": AdversarialLoss(
        average_discriminator, average_generator, "Jolicoeur-Martineau 2018, section 4"
    ),
}
