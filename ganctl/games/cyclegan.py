"""Translation between two unpaired domains (Zhu et al. 2017, CycleGAN, arXiv:1703.10593)."""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ganctl.data import Dataset, Domains, Samples
from ganctl.errors import BadInput
from ganctl.games.contest import Contest
from ganctl.games.contests import after_turn
from ganctl.games.game import Batch, Game, Parts, Player, chosen_from, evaluating
from ganctl.games.history import History
from ganctl.games.inputs import Inputs
from ganctl.games.metric import GameMetric, known
from ganctl.models import Discriminator, Role, Translator


class CycleGan(Game):
    """A generator from domain A to B, one from B to A, and a discriminator of each domain.

    J(G) is the sum of both adversarial terms, of the cycle consistency (eq. 2) and of the identity term (section 5.2).
    The discriminators see generated images of earlier turns too (section 4). B is the target: `sample` and `evaluate`
    show what becomes of images from A.

    Args:
        parts: its networks are "generator_ab", "generator_ba", "discriminator_a" and "discriminator_b"; its data are
            `Domains`, with A as the source.
        cycle_weight: weight of the cycle consistency, the mean absolute error of both cycles together.
        identity_weight: weight of the identity term; 0: none.
        history: number of earlier generated images that are kept of each domain; 0: none.
    """

    sampled: tuple[str, ...] = ("generator_ab", "generator_ba")
    draws_from = "held_out"
    offers: tuple[str, ...] = ("label_agreement",)
    metrics: Mapping[str, GameMetric] = MappingProxyType({
        name: known(name, least=0) for name in ("cycle_error", "translation_error", "back_translation_error")
    })  # fmt: skip

    def __init__(
        self, parts: Parts, cycle_weight: float = 10.0, identity_weight: float = 5.0, history: int = 50
    ) -> None:
        self.networks = parts.networks
        self.held_out: Domains = parts.held_out  # type: ignore[assignment]
        self.ab, self.ba = parts.networks["generator_ab"], parts.networks["generator_ba"]
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.contests = {
            name: Contest(parts.networks[f"discriminator_{name[0]}"], parts.loss, parts.penalties, parts.streams, name)
            for name in ("a_", "b_")
        }
        a, b = (getattr(parts.roles["generator_ab"], side) for side in ("shape", "to"))
        if identity_weight and a != b:
            raise BadInput(
                f"game.identity_weight={identity_weight}: compares images of one domain with those of the other, which "
                f"have {a[0]} and {b[0]} channels; use game.identity_weight=0"
            )
        if self.held_out.truth is None:
            self.metrics = {"cycle_error": self.metrics["cycle_error"]}
        self.shapes = {"A": a, "B": b}
        self.history = {"a_": History(history, a, parts.streams), "b_": History(history, b, parts.streams)}

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """Two translators and two discriminators.

        Raises:
            BadInput: the data are not two domains.
        """
        del options, latent_dim
        if not isinstance(dataset, Domains):
            raise BadInput(
                "game=cyclegan: translates between two domains; choose data=mnist_to_colour, or data=unpaired with "
                "data.root=DIR that holds trainA and trainB"
            )
        a, b = dataset.source.shape, dataset.shape
        return {
            "generator_ab": Translator(a, b),
            "generator_ba": Translator(b, a),
            "discriminator_a": Discriminator(a),
            "discriminator_b": Discriminator(b),
        }

    @cached_property
    def memory(self) -> Mapping[str, Tensor]:
        """Numbers of the contests, and the histories."""
        kept = {f"{name}history": each.images for name, each in self.history.items() if each.size}
        return {**super().memory, **kept}

    def players(self) -> dict[str, Player]:
        """Both discriminators on a new batch, then both generators on the same one."""
        return {
            "discriminator": Player(
                ("discriminator_a", "discriminator_b"),
                self.discriminator_loss,
                fresh_batch=True,
                after_turn=after_turn(self.contests),
            ),
            "generator": Player(("generator_ab", "generator_ba"), self.generator_loss),
        }

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(D) of both discriminators on real images and on generated ones from the history, and the penalty terms."""
        a, b = batch.samples.more["source"], batch.real
        terms: dict[str, Tensor] = {}
        for name, real, fake in (("a_", a, self.ba(b)), ("b_", b, self.ab(a))):
            contest, shown = self.contests[name], self.history[name].exchange(fake, batch.turn)
            found = contest.discriminator_terms(batch, *contest.judge(real, shown))
            terms |= {f"{name}{term}": value for term, value in found.items()}
        return terms

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Both adversarial terms, the cycle consistency and the identity term."""
        a, b = batch.samples.more["source"], batch.real
        fake_a, fake_b = self.ba(b), self.ab(a)
        terms = {
            f"{name}adversarial": self.contests[name].generator_term(batch, self.contests[name].look(fake), real)
            for name, real, fake in (("a_", a, fake_a), ("b_", b, fake_b))
        }
        if self.cycle_weight:
            terms["cycle"] = self.cycle_weight * (_distance(self.ba(fake_b), a) + _distance(self.ab(fake_a), b))
        if self.identity_weight:
            terms["identity"] = self.identity_weight * (_distance(self.ab(b), b) + _distance(self.ba(a), a))
        return terms

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """Held-out images of A, chosen at random, with their classes."""
        drawn, truth = chosen_from(self.held_out.source, count, noise, self.value_range), self.held_out.truth
        images = {"source": drawn.data}
        if truth is not None:
            low, high = self.value_range
            images["target"] = truth.forward(self._unit(drawn.data)) * (high - low) + low
        return Inputs(images=images, labels=drawn.labels)

    def generate(self, inputs: Inputs) -> Tensor:
        """Images of B from those of A."""
        return self.ab(inputs.images["source"])

    def turn_around(self) -> None:
        """Makes A the target: samples are then images of A made from those of B. Only for a run that is not trained."""
        self.ab, self.ba = self.ba, self.ab
        self.sampled = self.sampled[::-1]
        self.held_out = self.held_out.reversed()

    def translate(self, images: Tensor, to: str) -> Tensor:
        """Images of the other domain, [N, *shape], translated to domain "A" or "B"; no state changes."""
        network = self.networks["generator_ab" if to == "B" else "generator_ba"]
        with evaluating(network):
            return network(images)

    def compare(self, real: Samples) -> dict[str, Tensor]:
        """Images of A, their translations to B, and these translated back; then the same from B."""
        a, b = real.more["source"], real.data
        with evaluating(self.ab, self.ba):
            fake_b, fake_a = self.ab(a), self.ba(b)
            back = {"A": self.ba(fake_b), "B": self.ab(fake_a)}
        return {"A": a, "A to B": fake_b, "back to A": back["A"], "B": b, "B to A": fake_a, "back to B": back["B"]}

    def own_figures(self, real: Samples, noise: torch.Generator) -> dict[str, Tensor]:
        """Absolute errors, the mean over a sample's elements, black at 0 and white at 1.

        `cycle_error` is the mean over both cycles. `translation_error` and `back_translation_error` compare with the
        known translation, if the data have one.
        """
        a = chosen_from(self.held_out.source, len(real), noise, self.value_range).data
        b = real.data
        with evaluating(self.ab, self.ba):
            fake_b, fake_a = self.ab(a), self.ba(b)
            cycle = (self._error(self.ba(fake_b), a) + self._error(self.ab(fake_a), b)) / 2
        found = {"cycle_error": cycle}
        truth = self.held_out.truth
        if truth is not None:
            for name, made, images, translate in (
                ("translation_error", fake_b, a, truth.forward),
                ("back_translation_error", fake_a, b, truth.backward),
            ):
                found[name] = (self._unit(made) - translate(self._unit(images))).abs().flatten(1).mean(dim=1)
        return found

    def _unit(self, images: Tensor) -> Tensor:
        low, high = self.value_range
        return (images - low) / (high - low)

    def _error(self, made: Tensor, real: Tensor) -> Tensor:
        return (self._unit(made) - self._unit(real)).abs().flatten(1).mean(dim=1)


def _distance(made: Tensor, real: Tensor) -> Tensor:
    """The mean absolute error."""
    return (made.float() - real).abs().mean()
