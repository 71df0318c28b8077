"""InfoGAN: codes that a network can recover from the sample (Chen et al. 2016, arXiv:1606.03657)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ganctl.config.schema import option
from ganctl.data import Dataset, Samples
from ganctl.errors import BadInput
from ganctl.games.cgan import one_hot
from ganctl.games.contest import Judged
from ganctl.games.game import Batch, Parts, evaluating
from ganctl.games.gan import Gan
from ganctl.games.inputs import Code, Inputs
from ganctl.games.metric import GameMetric, known
from ganctl.losses import categorical_information, gaussian_information
from ganctl.models import Discriminator, Generator, Head, Role


class InfoGan(Gan):
    """The generator takes codes c besides its noise; a head Q on the discriminator's features recovers them.

    Both minimize -lambda L_I(G, Q), where L_I is a lower bound of the mutual information between c and G(z, c) (eq. 5
    and 6): Q and the features in the discriminator's turn, G in its own turn. Q is not applied to real samples.

    Args:
        parts: its networks include a "head" with `categories` logits and `continuous` means.
        discriminator_turns: turns of the discriminator per turn of the generator.
        categories: number of values of the categorical code c1, which is uniformly distributed.
        continuous: number of continuous codes (c2, c3, ...) from U(-1, 1).
        information_weight: lambda of the categorical code.
        continuous_weight: lambda of each continuous code.
        noise_deviation: standard deviation of each element of the latent vector, above 0. Below 1 the codes dominate
            the generator's input at first, and the category determines more of the sample (Mukherjee et al. 2019,
            ClusterGAN, arXiv:1809.03627, section 3.1, uses 0.1).
    """

    offers: tuple[str, ...] = ("code_match",)
    metrics: Mapping[str, GameMetric] = MappingProxyType({"mutual_information": known("mutual_information")})

    def __init__(
        self,
        parts: Parts,
        discriminator_turns: int = 1,
        categories: int = 10,
        continuous: int = 2,
        information_weight: float = 1.0,
        continuous_weight: float = 0.1,
        noise_deviation: float = 1.0,
    ) -> None:
        super().__init__(parts, discriminator_turns)
        self.head = parts.networks["head"]
        self.categories = categories
        self.information_weight, self.continuous_weight = information_weight, continuous_weight
        self.noise_deviation = noise_deviation
        classes = {"c1": Code(classes=categories)} if categories else {}
        first = len(classes) + 1
        if not categories:
            self.offers, self.metrics = (), {}
        self.codes = classes | {f"c{number}": Code() for number in range(first, first + continuous)}

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """A generator conditioned on the codes, a discriminator, and a head that recovers the codes."""
        del latent_dim
        categories, continuous = option(options, "categories", 10), option(options, "continuous", 2)
        size = categories + continuous
        if categories == 1 or not size:
            raise BadInput(
                f"game.categories={categories} game.continuous={continuous}: nothing is left to "
                "choose; use 2 categories or more, or 1 continuous code or more"
            )
        return {
            "generator": Generator(dataset.shape, size),
            "discriminator": Discriminator(dataset.shape),
            "head": Head("discriminator", size),
        }

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """Latent vectors from N(0, s^2 I), categories, and continuous codes from U(-1, 1); s is `noise_deviation`."""
        latent = self.noise_deviation * self.latents(count, noise)
        drawn: dict[str, Tensor] = {}
        for name, code in self.codes.items():
            if code.classes:
                values = torch.randint(code.classes, (count,), generator=noise, device=noise.device)
                drawn[name] = one_hot(values, code.classes)
            else:
                drawn[name] = 2 * torch.rand(count, 1, generator=noise, device=noise.device) - 1
        return Inputs(latent, {name: value.to(latent.device) for name, value in drawn.items()})

    def information(self, inputs: Inputs, features: Tensor) -> dict[str, Tensor]:
        """The lower bound per code and sample in nats, {code: [N]}; the mean over samples is L_I(G, Q)."""
        recovered = self.head(features).float()
        found = {}
        if self.categories:
            found["c1"] = categorical_information(recovered[:, : self.categories], inputs.codes["c1"])
        numbers = [name for name, code in self.codes.items() if not code.classes]
        for place, name in enumerate(numbers, start=self.categories):
            found[name] = gaussian_information(recovered[:, place], inputs.codes[name][:, 0])
        return found

    def own_figures(self, real: Samples, noise: torch.Generator) -> dict[str, Tensor]:
        """`mutual_information`: the bound of the categorical code, for as many generated samples as there are real."""
        if not self.categories:
            return {}
        with evaluating(self.generator, self.discriminator, self.head):
            inputs = self.draw(len(real), noise)
            features = self.discriminator.features(self.generate(inputs))  # type: ignore[operator]
            return {"mutual_information": self.information(inputs, features)["c1"]}

    def discriminator_extras(self, batch: Batch, inputs: Inputs, real: Judged, fake: Judged) -> dict[str, Tensor]:
        """-lambda L_I, which trains Q and the features that Q uses."""
        del real
        return self._information_term(batch, inputs, fake)

    def generator_extras(self, batch: Batch, inputs: Inputs, generated: Tensor, fake: Judged) -> dict[str, Tensor]:
        """-lambda L_I, which trains G."""
        del generated
        return self._information_term(batch, inputs, fake)

    def _information_term(self, batch: Batch, inputs: Inputs, fake: Judged) -> dict[str, Tensor]:
        assert fake.features is not None
        bounds = {name: value.mean() for name, value in self.information(inputs, fake.features).items()}
        if batch.observed is not None:
            batch.observed |= {f"information/{name}": value.detach() for name, value in bounds.items()}
        weighted = [
            (self.information_weight if self.codes[name].classes else self.continuous_weight) * bound
            for name, bound in bounds.items()
        ]
        return {"information": -torch.stack(weighted).sum()}
