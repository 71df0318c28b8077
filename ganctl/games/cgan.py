"""Conditional GANs: games on labelled samples in which the class conditions both players."""

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
    """The class is an input of generator and discriminator (Mirza and Osindero 2014, arXiv:1411.1784, eq. 2).

    In each turn the generated samples have the classes of the real samples in the batch.
    """

    offers = ("label_agreement", "class_fid")

    def __init__(self, parts: Parts, discriminator_turns: int = 1) -> None:
        super().__init__(parts, discriminator_turns)
        self.codes = {"label": Code(classes=classes_of(parts))}

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """A generator and a discriminator that take the class as an input."""
        del options, latent_dim
        classes = labelled("cgan", dataset.classes)
        return {"generator": Generator(dataset.shape, classes), "discriminator": Discriminator(dataset.shape, classes)}

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """Latent vectors from N(0, I), and uniformly distributed classes."""
        return with_labels(super().draw(count, noise), self.codes["label"].classes, noise)

    def draw_for(self, batch: Batch, noise: torch.Generator) -> Inputs:
        """Latent vectors, equal to those of a game without classes, and the classes of the batch."""
        assert batch.labels is not None
        labels = one_hot(batch.labels, self.codes["label"].classes)
        return Inputs(self.latents(len(batch.real), noise), {"label": labels})

    def condition_of(self, inputs: Inputs) -> Tensor:
        """The class, one-hot [N, classes]."""
        return inputs.codes["label"]


class Projection(Cgan):
    """Conditional batch norm in the generator, and a projection discriminator.

    D(x, y) = y^T V phi(x) + psi(phi(x)) (Miyato and Koyama 2018, arXiv:1802.05637, eq. 3).
    """

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """A generator with conditional batch norm, and a discriminator with a projection."""
        del options, latent_dim
        classes = labelled("projection", dataset.classes)
        return {
            "generator": Generator(dataset.shape, classes, "norm"),
            "discriminator": Discriminator(dataset.shape, classes, "projection"),
        }


def classes_of(parts: Parts, network: str = "generator") -> int:
    """The number of classes that condition the network."""
    role = parts.roles[network]
    assert isinstance(role, Generator)
    return role.condition


def labelled(game: str, classes: int) -> int:
    """Returns `classes`, the number of classes of the data set, if it is at least two.

    Raises:
        BadInput: the data set has no labels, or only one class.
    """
    if classes < 2:
        raise BadInput(
            f"game={game}: asks for the class of every sample, and these data have no labels; "
            "choose data=mnist5k, mnist or fashion_mnist, a folder with a folder of 20 or more pictures a class, "
            "or game=gan"
        )
    return classes


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Classes int64 [N] as one-hot vectors, float32 [N, classes]."""
    # torch's one_hot returns integers, and waits for the device to check the bounds of the labels.
    return torch.zeros(len(labels), classes, device=labels.device).scatter_(1, labels[:, None], 1)


def with_labels(inputs: Inputs, classes: int, noise: torch.Generator) -> Inputs:
    """The inputs with a uniformly distributed class each, as their code "label"."""
    labels = torch.randint(classes, (len(inputs),), generator=noise, device=noise.device)
    return inputs.with_code("label", one_hot(labels.to(inputs.device), classes))
