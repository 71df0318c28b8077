"""A discriminator with its adversarial loss and its penalties: the part that all games with a discriminator share."""

from collections.abc import Callable, Sequence
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
    """The view of a discriminator that sees whole samples."""
    return samples


@dataclass(frozen=True)
class Judged:
    """The output of a discriminator for N samples.

    Attributes:
        samples: the samples after the contest's view, [N, ...].
        logits: one or more logits per sample, flattened, [M].
        condition: the condition of each sample, [N, K]; None if the discriminator takes none.
        features: the discriminator's features, [N, ...], if a head uses them; else None.
    """

    samples: Tensor
    logits: Tensor
    condition: Tensor | None = None
    features: Tensor | None = None


class Contest:
    """A discriminator, its adversarial loss and its penalties. Samples may be images, points or codes.

    Args:
        discriminator: samples [N, ...], and conditions [N, K], to raw logits [N, ...].
        loss: the pair of objectives.
        penalties: regularization terms of J(D), and constraints on the discriminator's weights.
        streams: the run's random streams; penalties and augmentations draw from them.
        name: prefix of the tags that it logs; empty in a game with one contest.
        headed: whether a head uses the discriminator's features.
        view: maps samples to the part that the discriminator sees, such as some frames or a lower resolution. Penalties
            get its output, so that their gradients are with respect to the pixels that the discriminator sees.
        augment: a random augmentation of real and generated samples, applied after the view. Penalties differentiate
            through it, with respect to samples that are not augmented (Karras et al. 2020, arXiv:2006.06676,
            appendix B).

    Attributes:
        memory: numbers that the loss and the penalties keep from turn to turn, updated in place.
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
        """A function that constrains the discriminator's weights after its turn; None without such a penalty."""
        return self._constrain if any(payment.penalty.constrain for payment in self.payments) else None

    def _constrain(self) -> None:
        for payment in self.payments:
            if payment.penalty.constrain:
                payment.penalty.constrain(self.discriminator)

    def look(self, samples: Tensor, condition: Tensor | None = None) -> Judged:
        """The output of the discriminator for samples [N, *shape] with conditions [N, K]."""
        shown = self.view(samples)
        logits, features = self._forward(shown, condition)
        return Judged(shown, logits.flatten(), condition, features)

    def judge(self, real: Tensor, fake: Tensor, condition: Tensor | None = None) -> tuple[Judged, Judged]:
        """The output of the discriminator for equally many real and generated samples.

        Both share one forward pass if no layer mixes samples, or if batch norm can normalize them separately.

        Args:
            condition: conditions [N, K] of the real samples and of the generated samples alike.
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
        """The only call of the discriminator: logits [N, ...] in float32, and the features if a head uses them.

        Args:
            shown: samples after the view.
            still: whether batch norm's running statistics stay unchanged; no features are returned then.
        """
        if self.augment is not None:
            shown = self.augment(shown, self.streams.augmentation)
        conditions = () if condition is None else (condition,)
        if still:
            return untouched(self.discriminator, shown, *conditions).float(), None
        if not self.headed:
            return self.discriminator(shown, *conditions).float(), None
        features = self.discriminator.features(shown, *conditions)  # type: ignore[operator]
        return self.discriminator.logit(features, *conditions).float(), features  # type: ignore[operator]

    def discriminator_terms(self, batch: Batch, real: Judged, fake: Judged) -> dict[str, Tensor]:
        """J(D) and the penalty terms, by name.

        Args:
            batch: the batch of the turn; logged values are written to its `observed`.
            real: output for real samples.
            fake: output for generated samples, possibly more than real ones (for example mismatched captions).
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
            batch: the batch of the turn; logged values are written to its `observed`.
            fake: output for the generated samples.
            real: real samples [N, *shape], which some losses use too.
        """
        real_logits = None
        if self.loss.real_in_generator == "needed":
            with torch.no_grad():  # real samples do not depend on the generator
                real_logits = self.look(real, fake.condition).logits
        if batch.observed is not None:
            fake_logits = fake.logits.detach()
            self._note(batch, "yardstick/minus_log_d_fake", nonsaturating_generator(None, fake_logits))
            self._note(batch, "yardstick/log_one_minus_d_fake", minimax_generator(None, fake_logits))
            if self.loss.real_in_generator == "constant":
                real_logits = self.peek(real, fake.condition)
        return self.loss.generator(real_logits, fake.logits)

    def _note_opinions(self, batch: Batch, real: Tensor, fake: Tensor, remembered: dict[str, Tensor]) -> None:
        """Logs scores, logits and yardsticks of a discriminator's turn, from detached logits."""
        self._note(batch, "yardstick/j_d", cross_entropy(real, fake))
        for name, logits in (("real", real), ("fake", fake)):
            self._note(batch, f"score/{name}", logits.sigmoid().mean())
            self._note(batch, f"logit/{name}", logits.mean())
        for name, value in remembered.items():
            self._note(batch, f"memory/{name}", value)

    def _note(self, batch: Batch, tag: str, value: Tensor) -> None:
        """Logs a value. Only called in logged turns: it costs as much as a layer of a small network."""
        assert batch.observed is not None
        group, _, leaf = tag.partition("/")
        batch.observed[f"{group}/{self.name}{leaf}"] = value.detach()

    def _remember(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Updates the memory of the loss and of the penalties; returns all values that they want to log."""
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
        # Copies, since the backward pass needs the values with which a term was computed.
        return {name: self.memory[name].clone() for name in part.memory}

    def _value(self, payment: Payment, real: Judged, fake: Judged) -> Tensor:
        """The unweighted penalty of a turn."""
        penalty = payment.penalty
        if penalty.of_samples:
            # In full precision: a squared gradient norm easily leaves the range of half precision. Not compiled:
            # torch's compiled functions have no second derivative.
            with torch.autocast(real.samples.device.type, enabled=False), torch.compiler.set_stance("force_eager"):
                critic = self._still_critic(real.condition, len(real.samples))
                return penalty.of_samples(
                    critic, real.samples, fake.samples.to(real.samples.dtype), self.streams.penalty
                )
        assert penalty.of_logits
        return penalty.of_logits(real.logits, fake.logits, **self._recalled(penalty))

    def critic(self, condition: Tensor | None, count: int) -> Callable[[Tensor], Tensor]:
        """The discriminator as a function: samples after the view -> logits [N], the mean of a sample's logits.

        A penalty may call it with a multiple of `count` samples at once, with repeated conditions; minibatch statistics
        are computed for each group of `count` samples separately.
        """

        def logits(shown: Tensor) -> Tensor:
            parts = shown.split(count) if self.coupling == "group" else (shown,)
            found = [self._forward(part, _repeated(condition, len(part) // count))[0] for part in parts]
            return torch.cat([each if each.ndim == 1 else each.flatten(1).mean(dim=1) for each in found])

        return logits

    def _still_critic(self, condition: Tensor | None, count: int) -> Callable[[Tensor], Tensor]:
        """The critic with the same dropout mask and the same augmentation in every call."""
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
        """Logits [M] as in a turn, without a graph; batch norm's statistics and all random streams stay unchanged."""
        # Not compiled: a CUDA graph is bound to the address of the statistics, and each call here copies them.
        with torch.no_grad(), self.streams.preserved(), torch.compiler.set_stance("force_eager"):
            return self.glance(real, condition)

    def glance(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits [M] with their graph; batch norm's statistics stay unchanged."""
        return self._forward(self.view(samples), condition, still=True)[0].flatten()


def coupling_of(discriminator: nn.Module) -> str:
    """How samples of a batch influence each other's logits: "none", "group" or "norm" (`ganctl.models.roles`)."""
    # `mixes_batch` is the former name of this attribute; models of plugins may still use it.
    earlier = "norm" if getattr(discriminator, "mixes_batch", True) else "none"
    return str(getattr(discriminator, "coupling", earlier))


def _repeated(condition: Tensor | None, times: int) -> Tensor | None:
    return condition if condition is None or times == 1 else condition.repeat(times, 1)


def untouched(network: nn.Module, *inputs: Tensor) -> Tensor:
    """The output of the network for `inputs`, as in a turn; batch norm's statistics stay unchanged."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    return functional_call(network, buffers, inputs)
