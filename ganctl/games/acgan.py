"""AC-GAN: a discriminator that also predicts the class (Odena et al. 2017, arXiv:1610.09585)."""

from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy

from ganctl.data import Dataset
from ganctl.games.cgan import Cgan, labelled
from ganctl.games.contest import Judged
from ganctl.games.game import Batch, Parts
from ganctl.games.inputs import Inputs
from ganctl.models import Discriminator, Generator, Head, Role


class Acgan(Cgan):
    """The class conditions the generator; a head on the features of the discriminator predicts the class.

    L_C = E -log C(y | x) + E -log C(y | G(z, y)), section 3: the discriminator and its head minimize both terms, the
    generator minimizes the second.

    Args:
        parts: its networks include a "head" with one logit per class.
        discriminator_turns: turns of the discriminator per turn of the generator.
        class_weight: weight of each term of L_C.
    """

    def __init__(self, parts: Parts, discriminator_turns: int = 1, class_weight: float = 1.0) -> None:
        super().__init__(parts, discriminator_turns)
        self.head = parts.networks["head"]
        self.class_weight = class_weight

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """A generator conditioned on the class, a discriminator, and a head that predicts the class."""
        del options, latent_dim
        classes = labelled("acgan", dataset.classes)
        return {
            "generator": Generator(dataset.shape, classes),
            "discriminator": Discriminator(dataset.shape),
            "head": Head("discriminator", classes),
        }

    def condition_of(self, inputs: Inputs) -> None:  # type: ignore[override]
        """None: the discriminator has no condition."""
        del inputs

    def discriminator_extras(self, batch: Batch, inputs: Inputs, real: Judged, fake: Judged) -> dict[str, Tensor]:
        """L_C on real and on generated samples."""
        del batch
        return {"class_real": self._class_term(inputs, real), "class_fake": self._class_term(inputs, fake)}

    def generator_extras(self, batch: Batch, inputs: Inputs, generated: Tensor, fake: Judged) -> dict[str, Tensor]:
        """L_C on generated samples."""
        del batch, generated
        return {"class_fake": self._class_term(inputs, fake)}

    def _class_term(self, inputs: Inputs, judged: Judged) -> Tensor:
        return self.class_weight * cross_entropy(self.head(judged.features).float(), inputs.codes["label"])
