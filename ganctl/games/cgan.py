"""Games of labelled samples, in which both players know the class."""

from typing import Any

import torch
from torch import Tensor

from ganctl.errors import BadInput
from ganctl.games.game import Batch, Code, Inputs, Parts
from ganctl.games.gan import Gan
from ganctl.models import Wiring


class Cgan(Gan):
    """The class goes into the generator and into the discriminator (Mirza and Osindero 2014, arXiv:1411.1784, eq. 2).

    Real and generated samples of a turn have the same classes, those of the batch.
    """

    offers = ("label_agreement", "class_fid")

    def __init__(self, parts: Parts, discriminator_turns: int = 1) -> None:
        super().__init__(parts, discriminator_turns)
        self.codes = {"label": Code(classes=parts.wiring.given)}

    @staticmethod
    def wiring(options: Any, classes: int) -> Wiring:
        """The class beside the latent vector, and beside the sample."""
        del options
        return Wiring(given=labelled("cgan", classes), generator="input", discriminator="input")

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """Latent vectors from N(0, I), and every class with the same probability."""
        return with_labels(super().draw(count, noise), self.codes["label"].classes, noise)

    def draw_beside(self, batch: Batch, noise: torch.Generator) -> Inputs:
        """Latent vectors, the same that a game without classes would draw, and the classes of the batch."""
        assert batch.labels is not None
        return Inputs(self.latents(len(batch.real), noise), {"label": hot(batch.labels, self.codes["label"].classes)})

    def told(self, inputs: Inputs) -> Tensor:
        """The class."""
        return inputs.codes["label"]


class Projection(Cgan):
    """The class scales and shifts the generator's batch norm, and the discriminator's features are projected on it.

    D(x, y) = y^T V phi(x) + psi(phi(x)) (Miyato and Koyama 2018, arXiv:1802.05637, eq. 3).
    """

    @staticmethod
    def wiring(options: Any, classes: int) -> Wiring:
        """Conditional batch norm, and a projection."""
        del options
        return Wiring(given=labelled("projection", classes), generator="norm", discriminator="projection")


def labelled(game: str, classes: int) -> int:
    """The number of classes, where there are at least two.

    Raises:
        BadInput: the data have no labels.
    """
    if classes < 2:
        raise BadInput(
            f"game={game}: asks for the class of every sample, and these data have no labels; "
            "choose data=mnist5k, mnist or fashion_mnist, a folder with a folder of 20 or more pictures a class, "
            "or game=gan"
        )
    return classes


def hot(labels: Tensor, classes: int) -> Tensor:
    """Classes int64 [N] as float32 [N, classes] with a one each."""
    # torch's one_hot reads the labels' bounds back on a CPU, in whole numbers first.
    return torch.zeros(len(labels), classes, device=labels.device).scatter_(1, labels[:, None], 1)


def with_labels(inputs: Inputs, classes: int, noise: torch.Generator) -> Inputs:
    """The inputs with a class each, every one as likely."""
    labels = torch.randint(classes, (len(inputs.latent),), generator=noise, device=noise.device)
    return Inputs(inputs.latent, {"label": hot(labels.to(inputs.latent.device), classes)})
