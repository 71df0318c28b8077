"""Losses: pairs of objectives over logits, and penalties on the discriminator."""

from ganctl.losses import divergences, energies, logistic, margins, relativistic
from ganctl.losses.adversarial import AdversarialLoss
from ganctl.losses.auxiliary import categorical_information, gaussian_information, pulling_away
from ganctl.losses.penalties import PENALTIES, Penalty

LOSSES: dict[str, AdversarialLoss] = {
    **logistic.ROWS,
    **margins.ROWS,
    **relativistic.ROWS,
    **divergences.ROWS,
    **energies.ROWS,
}

__all__ = [
    "LOSSES",
    "PENALTIES",
    "AdversarialLoss",
    "Penalty",
    "categorical_information",
    "gaussian_information",
    "pulling_away",
]
