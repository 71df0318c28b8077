"""Games of labelled samples, in which both players know the class."""

from typing import Any

import torch
from torch import Tensor

from ganctl.data import Dataset
from ganctl.errors import BadInput
from ganctl.games.game import Batch, Parts
from ganctl.games.gan import Gan
from ganctl.games.inputs import Code, Inputs
from ganctl.models import Discriminator, Generator, Role


class Cgan(Gan):
    """The class goes into the generator and into the discriminator (Mirza and Osindero 2014, arXiv:1411.1784, eq. 2).

    Real and generated samples of a turn have the same classes, those of the batch.
    """

    offers = ("label_agreement", "class_fid")

    def __init__(self, parts: Parts, discriminator_turns: int = 1) -> None:
        super().__init__(parts, discriminator_turns)
        self.codes = {"label": Code(classes=classes_of(parts))}

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """The class beside the latent vector, and beside the sample."""
        del options, latent_dim
        classes = labelled("cgan", dataset.classes)
        return {"generator": Generator(dataset.shape, classes), "discriminator": Discriminator(dataset.shape, classes)}

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """Latent vectors from N(0, I), and every class with the same probability."""
        return with_labels(super().draw(count, noise), self.codes["label"].classes, noise)

    def draw_beside(self, batch: Batch, noise: torch.Generator) -> Inputs:
        """Latent vectors, the same that a game without classes would draw, and the classes of the batch."""
        assert batch.labels is not None
        labels = one_hot(batch.labels, self.codes["label"].classes)
        return Inputs(self.latents(len(batch.real), noise), {"label": labels})

    def told(self, inputs: Inputs) -> Tensor:
        """The class."""
        return inputs.codes["label"]


class Projection(Cgan):
    """The class scales and shifts the generator's batch norm, and the discriminator's features are projected on it.

    D(x, y) = y^T V phi(x) + psi(phi(x)) (Miyato and Koyama 2018, arXiv:1802.05637, eq. 3).
    """

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """Conditional batch norm, and a projection."""
        del options, latent_dim
        classes = labelled("projection", dataset.classes)
        return {
            "generator": Generator(dataset.shape, classes, "norm"),
            "discriminator": Discriminator(dataset.shape, classes, "projection"),
        }


def classes_of(parts: Parts, network: str = "generator") -> int:
    """How many classes the network is conditioned on."""
    role = parts.roles[network]
    assert isinstance(role, Generator)
    return role.condition


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


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Classes int64 [N] as float32 [N, classes] with a one each."""
    # torch's one_hot reads the labels' bounds back on a CPU, in whole numbers first.
    return torch.zeros(len(labels), classes, device=labels.device).scatter_(1, labels[:, None], 1)


def with_labels(inputs: Inputs, classes: int, noise: torch.Generator) -> Inputs:
    """The inputs with a class each, every one as likely."""
    labels = torch.randint(classes, (len(inputs),), generator=noise, device=noise.device)
    return inputs.with_code("label", one_hot(labels.to(inputs.device), classes))
