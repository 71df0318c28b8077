"""A discriminator and the two sides of an adversarial loss: what every game with one shares."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganctl.games.game import Batch
from ganctl.games.payment import Payment, WeightedPenalty
from ganctl.losses import AdversarialLoss, Penalty
from ganctl.losses.logistic import cross_entropy, minimax_generator, nonsaturating_generator
from ganctl.numerics.streams import Streams

View = Callable[[Tensor], Tensor]
Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def whole(samples: Tensor) -> Tensor:
    """The view of a discriminator that looks at whole samples."""
    return samples


@dataclass(frozen=True)
class Judged:
    """What a discriminator makes of N samples.

    Attributes:
        samples: as the contest's view shows them, [N, ...].
        logits: one or more per sample, flattened, [M].
        condition: what the discriminator was told of each sample, [N, K]; None: nothing.
        features: [N, ...], where a head looks at them; else None.
    """

    samples: Tensor
    logits: Tensor
    condition: Tensor | None = None
    features: Tensor | None = None


class Contest:
    """Who tells real from fake, by which loss and at what penalties. Samples may be images, points or codes.

    Args:
        discriminator: samples [N, ...], and conditions [N, K], to raw logits [N, ...].
        loss: the pair of objectives.
        penalties: what J(D) pays for besides, or what holds the discriminator's weights in bounds.
        streams: the run's; penalties and augmentations draw from it.
        name: put before what it observes, in a game with several contests.
        headed: whether a head looks at the discriminator's features.
        view: what the discriminator is shown of each sample: some frames, a lower resolution. The penalties see the
            same, so that their gradients are per pixel that the discriminator sees.
        augment: changes what the discriminator is shown at random, real and generated samples alike. Penalties
            differentiate through it, with respect to samples that are not augmented (Karras et al. 2020,
            arXiv:2006.06676, appendix B).

    Attributes:
        memory: numbers that the loss and the penalties carry from turn to turn, changed in place.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        penalties: Sequence[WeightedPenalty],
        streams: Streams,
        name: str = "",
        headed: bool = False,
        view: View = whole,
        augment: Augmentation | None = None,
    ) -> None:
        self.discriminator, self.loss, self.streams = discriminator, loss, streams
        self.name, self.headed, self.view, self.augment = name, headed, view, augment
        self.coupling = coupling_of(discriminator)
        self.payments = [Payment(penalty, place) for place, penalty in enumerate(penalties)]
        first = dict(loss.memory)
        for payment in self.payments:
            first |= payment.memory
        self.memory = {key: torch.tensor(float(value), device=streams.device) for key, value in first.items()}

    @property
    def after_turn(self) -> Callable[[], None] | None:
        """What puts the discriminator's weights back within their bounds after its turn, where they have any."""
        return self._constrain if any(payment.penalty.constrain for payment in self.payments) else None

    def _constrain(self) -> None:
        for payment in self.payments:
            if payment.penalty.constrain:
                payment.penalty.constrain(self.discriminator)

    def look(self, samples: Tensor, condition: Tensor | None = None) -> Judged:
        """What the discriminator makes of samples [N, *shape] under conditions [N, K]."""
        shown = self.view(samples)
        logits, features = self._forward(shown, condition)
        return Judged(shown, logits.flatten(), condition, features)

    def judge(self, real: Tensor, fake: Tensor, condition: Tensor | None = None) -> tuple[Judged, Judged]:
        """Both kinds of samples, as many of each.

        They share one pass where no layer lets samples see each other, or where batch norm keeps them apart.

        Args:
            condition: [N, K] of both: the classes that real samples have and generated ones should have.
        """
        parts = getattr(self.discriminator, "takes_parts", False)
        if self.coupling != "none" and not parts:
            return self.look(real, condition), self.look(fake, condition)
        shown = self.view(real), self.view(fake)
        with self.discriminator.parted(2) if parts else nullcontext():  # type: ignore[operator]
            logits, features = self._forward(torch.cat([shown[0], shown[1].to(real.dtype)]), _repeated(condition, 2))
        halves = slice(None, len(real)), slice(len(real), None)
        one, other = (
            Judged(samples, logits[half].flatten(), condition, None if features is None else features[half])
            for samples, half in zip(shown, halves, strict=True)
        )
        return one, other

    def _forward(self, shown: Tensor, condition: Tensor | None, still: bool = False) -> tuple[Tensor, Tensor | None]:
        """The one way to the discriminator: logits [N, ...] in float32, and the features where a head needs them.

        Args:
            shown: samples as the view shows them.
            still: whether batch norm's statistics stay as they are.
        """
        if self.augment is not None:
            shown = self.augment(shown, self.streams.augmentation)
        told = () if condition is None else (condition,)
        if still:
            return untouched(self.discriminator, shown, *told).float(), None
        if not self.headed:
            return self.discriminator(shown, *told).float(), None
        features = self.discriminator.features(shown, *told)  # type: ignore[operator]
        return self.discriminator.logit(features, *told).float(), features  # type: ignore[operator]

    def discriminator_terms(self, batch: Batch, real: Judged, fake: Judged) -> dict[str, Tensor]:
        """J(D), and what it pays for each penalty.

        Args:
            batch: of the turn, where what is seen is noted.
            real: samples of the data.
            fake: generated ones; there may be more of them, as of captions that do not fit.
        """
        terms = {"adversarial": self.loss.discriminator(real.logits, fake.logits, **self._recalled(self.loss))}
        for payment in self.payments:
            if payment.costs:
                terms[payment.term] = payment.pay(batch.turn, self.memory, partial(self._value, payment, real, fake))
        remembered = self._remember(real.logits.detach(), fake.logits.detach())
        if batch.observed is not None:
            self._note_opinions(batch, real.logits.detach(), fake.logits.detach(), remembered)
        return terms

    def generator_term(self, batch: Batch, fake: Judged, real: Tensor) -> Tensor:
        """J(G).

        Args:
            batch: of the turn, where what is seen is noted.
            fake: the generated samples.
            real: real samples [N, *shape], which some losses look at too.
        """
        judged = None
        if self.loss.real_in_generator == "needed":
            with torch.no_grad():  # real samples do not depend on the generator
                judged = self.look(real, fake.condition).logits
        if batch.observed is not None:
            seen = fake.logits.detach()
            self._note(batch, "yardstick/minus_log_d_fake", nonsaturating_generator(None, seen))
            self._note(batch, "yardstick/log_one_minus_d_fake", minimax_generator(None, seen))
            if self.loss.real_in_generator == "constant":
                judged = self.peek(real, fake.condition)
        return self.loss.generator(judged, fake.logits)

    def _note_opinions(self, batch: Batch, real: Tensor, fake: Tensor, remembered: dict[str, Tensor]) -> None:
        """Notes what a turn of the discriminator saw, from its logits without their graph."""
        self._note(batch, "yardstick/j_d", cross_entropy(real, fake))
        for name, logits in (("real", real), ("fake", fake)):
            self._note(batch, f"score/{name}", logits.sigmoid().mean())
            self._note(batch, f"logit/{name}", logits.mean())
        for name, value in remembered.items():
            self._note(batch, f"memory/{name}", value)

    def _note(self, batch: Batch, tag: str, value: Tensor) -> None:
        """At a turn that is watched only: what is noted costs as much as a small network's layer."""
        assert batch.observed is not None
        group, _, leaf = tag.partition("/")
        batch.observed[f"{group}/{self.name}{leaf}"] = value.detach()

    def _remember(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Brings the memory of the loss and of the penalties up to date, and gives all that they noted."""
        noted: dict[str, Tensor] = {}
        parts: list[AdversarialLoss | Penalty] = [self.loss, *(payment.penalty for payment in self.payments)]
        for part in parts:
            if part.remember:
                noted |= part.remember(real, fake, **self._recalled(part))
        for name, value in noted.items():
            if name in self.memory:
                self.memory[name].copy_(value)
        return noted

    def _recalled(self, part: AdversarialLoss | Penalty) -> dict[str, Tensor]:
        # A copy, for the value that a term was computed with must still be there when its gradient is.
        return {name: self.memory[name].clone() for name in part.memory}

    def _value(self, payment: Payment, real: Judged, fake: Judged) -> Tensor:
        """The penalty of a turn, without its weight."""
        penalty = payment.penalty
        if penalty.of_samples:
            # In full precision: a squared gradient norm soon leaves the range of half precision. Not compiled: what
            # torch compiles has no second derivative.
            with torch.autocast(real.samples.device.type, enabled=False), torch.compiler.set_stance("force_eager"):
                critic = self._still_critic(real.condition, len(real.samples))
                return penalty.of_samples(
                    critic, real.samples, fake.samples.to(real.samples.dtype), self.streams.penalty
                )
        assert penalty.of_logits
        return penalty.of_logits(real.logits, fake.logits, **self._recalled(penalty))

    def critic(self, condition: Tensor | None, count: int) -> Callable[[Tensor], Tensor]:
        """The discriminator as a function of shown samples alone, to one logit [N] each: their mean, where it has more.

        A penalty may hand it several times `count` samples at once, under the same conditions; minibatch statistics
        are taken of each `count` by themselves.
        """

        def logits(shown: Tensor) -> Tensor:
            parts = shown.split(count) if self.coupling == "group" else (shown,)
            found = [self._forward(part, _repeated(condition, len(part) // count))[0] for part in parts]
            return torch.cat([each if each.ndim == 1 else each.flatten(1).mean(dim=1) for each in found])

        return logits

    def _still_critic(self, condition: Tensor | None, count: int) -> Callable[[Tensor], Tensor]:
        """The critic with one and the same dropout mask and augmentation at every call."""
        critic, noise = self.critic(condition, count), self.streams.layer_noise
        masks = noise.get_state()
        augmented = None if self.augment is None else self.streams.augmentation.get_state()

        def still(shown: Tensor) -> Tensor:
            noise.set_state(masks)
            if augmented is not None:
                self.streams.augmentation.set_state(augmented)
            return critic(shown)

        return still

    def peek(self, real: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits [M] as a turn would see them, without leaving a trace in batch norm's statistics or in any stream."""
        # Not compiled: a CUDA graph is bound to the place of the statistics, of which each look has a copy.
        with torch.no_grad(), self.streams.preserved(), torch.compiler.set_stance("force_eager"):
            return self.glance(real, condition)

    def glance(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits [M] with their graph, without leaving a trace in batch norm's statistics."""
        return self._forward(self.view(samples), condition, still=True)[0].flatten()


def coupling_of(discriminator: nn.Module) -> str:
    """How samples of a batch influence each other's logits: "none", "group" or "norm" (`ganctl.models.roles`)."""
    # `mixes_batch` is the earlier name, which models of plugins may have.
    earlier = "norm" if getattr(discriminator, "mixes_batch", True) else "none"
    return str(getattr(discriminator, "coupling", earlier))


def after_turn(contests: Mapping[str, Contest]) -> Callable[[], None] | None:
    """What follows a turn of the discriminators of several contests; None where nothing does."""
    found = [each.after_turn for each in contests.values() if each.after_turn]

    def all_of_them() -> None:
        for each in found:
            each()

    return all_of_them if found else None


def _repeated(condition: Tensor | None, times: int) -> Tensor | None:
    return condition if condition is None or times == 1 else condition.repeat(times, 1)


def untouched(network: nn.Module, *inputs: Tensor) -> Tensor:
    """What the network makes of `inputs` in a turn, without leaving a trace in batch norm's statistics."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    return functional_call(network, buffers, inputs)


def merged(observed: Mapping[str, Tensor], contests: Mapping[str, Contest]) -> dict[str, Tensor]:
    """Scores, logits and yardsticks of a game with several contests under the tags of a game with one: their means.

    So that curves, diagnoses and reports read every game alike. A contest without a name speaks for the game itself.
    """
    if "" in contests:
        return {}
    found = {}
    for tag in ("score/real", "score/fake", "logit/real", "logit/fake", *YARDSTICKS):
        group, _, leaf = tag.partition("/")
        values = [observed[f"{group}/{name}{leaf}"] for name in contests if f"{group}/{name}{leaf}" in observed]
        if values:
            found[tag] = torch.stack(values).mean()
    return found


YARDSTICKS = ("yardstick/j_d", "yardstick/minus_log_d_fake", "yardstick/log_one_minus_d_fake")
