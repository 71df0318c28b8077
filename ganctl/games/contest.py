"""A discriminator and the two sides of an adversarial loss: what every game with one shares."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganctl.games.game import Batch, WeightedPenalty
from ganctl.losses import AdversarialLoss, Penalty
from ganctl.losses.logistic import cross_entropy, minimax_generator, nonsaturating_generator
from ganctl.numerics.streams import Streams

LAST = "last_penalty"  # what was paid last, in the memory of a contest whose penalty is not paid at every turn


@dataclass(frozen=True)
class Judged:
    """What a discriminator makes of samples.

    Attributes:
        logits: [N].
        features: [N, ...], where a head looks at them; else None.
    """

    logits: Tensor
    features: Tensor | None = None


class Contest:
    """Who tells real from fake, by which loss and at what penalty. Samples may be images, points or codes.

    Args:
        discriminator: samples [N, *shape], and what else is given [N, K], to logits [N].
        loss: the pair of objectives.
        penalty: what J(D) pays for besides, or what holds the discriminator's weights in bounds.
        streams: where the penalty's random numbers come from.
        name: put before what it observes, in a game with several contests.
        headed: whether a head looks at the discriminator's features.

    Attributes:
        memory: numbers that the loss and the penalty carry from turn to turn, changed in place.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        penalty: WeightedPenalty,
        streams: Streams,
        name: str = "",
        headed: bool = False,
    ) -> None:
        self.headed = headed
        self.discriminator = discriminator
        self.loss = loss
        self.paid, self.penalty = penalty, penalty.penalty
        self.streams = streams
        self.name = name
        first = {**loss.memory, **self.penalty.memory}
        if penalty.every > 1:
            first[LAST] = 0.0
        self.memory = {key: torch.tensor(float(value), device=streams.device) for key, value in first.items()}

    @property
    def after_turn(self) -> Callable[[], None] | None:
        """What puts the discriminator's weights back within their bounds after its turn, where they have any."""
        return self._constrain if self.penalty.constrain else None

    def _constrain(self) -> None:
        assert self.penalty.constrain
        self.penalty.constrain(self.discriminator)

    def look(self, samples: Tensor, given: Tensor | None = None) -> Judged:
        """What the discriminator makes of samples [N, *shape] that `given` [N, K] is told of."""
        told = () if given is None else (given,)
        if not self.headed:
            return Judged(self.discriminator(samples, *told).float())
        features = self.discriminator.features(samples, *told)  # type: ignore[operator]
        return Judged(self.discriminator.logit(features, *told).float(), features)  # type: ignore[operator]

    def judge(self, real: Tensor, fake: Tensor, given: Tensor | None = None) -> tuple[Judged, Judged]:
        """Both kinds of samples, in one pass where no layer lets them see each other, or batch norm keeps them apart.

        Args:
            given: [N, K] of both: the classes that real samples have and generated ones should have.
        """
        parts = getattr(self.discriminator, "takes_parts", False)
        if getattr(self.discriminator, "mixes_batch", True) and not parts:
            return self.look(real, given), self.look(fake, given)
        with self.discriminator.parted(2) if parts else nullcontext():  # type: ignore[operator]
            both = self.look(torch.cat([real, fake.to(real.dtype)]), None if given is None else given.repeat(2, 1))
        first = Judged(both.logits[: len(real)], None if both.features is None else both.features[: len(real)])
        return first, Judged(both.logits[len(real) :], None if both.features is None else both.features[len(real) :])

    def critic(self, given: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """The discriminator as a function of samples alone.

        A penalty may hand it real and generated samples at once, which have the same classes.
        """
        return lambda samples: (
            self.look(samples, None if given is None else given.repeat(len(samples) // len(given), 1)).logits
        )

    def discriminator_terms(
        self,
        batch: Batch,
        samples: tuple[Tensor, Tensor],
        logits: tuple[Tensor, Tensor],
        given: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """J(D), and what it pays for the penalty.

        Args:
            batch: of the turn, where what is seen is noted.
            samples: real and generated ones.
            logits: of both.
            given: as for `judge`.
        """
        real, fake = logits
        terms = {"adversarial": self.loss.discriminator(real, fake, **self._recalled(self.loss))}
        if self.penalty.of_samples or self.penalty.of_logits:
            terms["penalty"] = self._payment(batch, samples, logits, given)
        remembered = self._remember(real.detach(), fake.detach())
        if batch.observed is not None:
            self._note_opinions(batch, real.detach(), fake.detach(), remembered)
        return terms

    def generator_term(self, batch: Batch, fake: Tensor, real: Tensor, given: Tensor | None = None) -> Tensor:
        """J(G).

        Args:
            batch: of the turn, where what is seen is noted.
            fake: logits of the generated samples.
            real: real samples, which some losses look at too.
            given: as for `judge`.
        """
        judged = None
        if self.loss.real_in_generator == "needed":
            with torch.no_grad():  # real samples do not depend on the generator
                judged = self.look(real, given).logits
        if batch.observed is not None:
            seen = fake.detach()
            self._note(batch, "yardstick/minus_log_d_fake", nonsaturating_generator(None, seen))
            self._note(batch, "yardstick/log_one_minus_d_fake", minimax_generator(None, seen))
            if self.loss.real_in_generator == "constant":
                judged = self.peek(real, given)
        return self.loss.generator(judged, fake)

    def _note_opinions(self, batch: Batch, real: Tensor, fake: Tensor, remembered: dict[str, Tensor]) -> None:
        """Notes what a turn of the discriminator saw, from its logits without their graph."""
        self._note(batch, "yardstick/j_d", cross_entropy(real, fake))
        both = torch.stack([real, fake])
        scores, logits = both.sigmoid().mean(dim=1), both.mean(dim=1)
        for place, name in enumerate(("real", "fake")):
            self._note(batch, f"score/{name}", scores[place])
            self._note(batch, f"logit/{name}", logits[place])
        for name, value in remembered.items():
            self._note(batch, f"memory/{name}", value)

    def _note(self, batch: Batch, tag: str, value: Tensor) -> None:
        """At a turn that is watched only: what is noted costs as much as a small network's layer."""
        assert batch.observed is not None
        group, _, leaf = tag.partition("/")
        batch.observed[f"{group}/{self.name}{leaf}"] = value.detach()

    def _remember(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Brings the memory of the loss and of the penalty up to date, and gives all that they noted."""
        noted: dict[str, Tensor] = {}
        for part in (self.loss, self.penalty):
            if part.remember:
                noted |= part.remember(real, fake, **self._recalled(part))
        for name, value in noted.items():
            if name in self.memory:
                self.memory[name].copy_(value)
        return noted

    def _recalled(self, part: AdversarialLoss | Penalty) -> dict[str, Tensor]:
        # A copy, for the value that a term was computed with must still be there when its gradient is.
        return {name: self.memory[name].clone() for name in part.memory}

    def _payment(
        self, batch: Batch, samples: tuple[Tensor, Tensor], logits: tuple[Tensor, Tensor], given: Tensor | None
    ) -> Tensor:
        """The weighted penalty; between two payments the last one, without gradient, so that J(D) stays comparable."""
        if (batch.turn - 1) % self.paid.every:
            return self.memory[LAST].clone()
        if self.penalty.of_samples:
            real, fake = samples
            # In full precision: a squared gradient norm soon leaves the range of half precision. Not compiled: what
            # torch compiles has no second derivative.
            with torch.autocast(real.device.type, enabled=False), torch.compiler.set_stance("force_eager"):
                value = self.penalty.of_samples(
                    self._still_critic(given), real, fake.to(real.dtype), self.streams.penalty
                )
        else:
            assert self.penalty.of_logits
            value = self.penalty.of_logits(*logits, **self._recalled(self.penalty))
        paid = self.paid.weight * value
        if self.paid.every == 1:
            return paid
        self.memory[LAST].copy_(paid.detach())
        return paid + (self.paid.every - 1) * (paid - paid.detach())  # the value of one payment, the gradient of all

    def _still_critic(self, given: Tensor | None) -> Callable[[Tensor], Tensor]:
        """The critic with one and the same dropout mask at every call."""
        start = self.streams.layer_noise.get_state()
        critic = self.critic(given)

        def still(samples: Tensor) -> Tensor:
            self.streams.layer_noise.set_state(start)
            return critic(samples)

        return still

    def peek(self, real: Tensor, given: Tensor | None = None) -> Tensor:
        """Logits [N] as a turn would see them, without leaving a trace in batch norm's statistics or in any stream."""
        # Not compiled: a CUDA graph is bound to the place of the statistics, of which each look has a copy.
        with torch.no_grad(), self.streams.preserved(), torch.compiler.set_stance("force_eager"):
            return untouched(self.discriminator, real, given).float()


def untouched(network: nn.Module, *inputs: Tensor | None) -> Tensor:
    """What the network makes of `inputs` in a turn, without leaving a trace in batch norm's statistics."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    return functional_call(network, buffers, tuple(each for each in inputs if each is not None))
