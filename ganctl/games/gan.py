"""One generator against one discriminator (Goodfellow et al. 2014), with any loss and any penalty plugged in."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganctl.games.evidence import gradient_evidence
from ganctl.games.game import Batch, Game, Player
from ganctl.losses import AdversarialLoss, Penalty, pulling_away
from ganctl.losses.logistic import cross_entropy, minimax_generator, nonsaturating_generator
from ganctl.streams import Streams

LAST = "last_penalty"  # what was paid last, in the memory of a game whose penalty is not paid at every turn


@dataclass(frozen=True)
class WeightedPenalty:
    """A penalty as J(D) pays for it.

    Attributes:
        penalty: what is paid for.
        weight: of the penalty, on average over the turns.
        every: turns of the discriminator from one payment to the next, each of which has `every` times the gradient,
            so that the expected one stays (lazy regularization: Karras et al. 2020, arXiv:1912.04958, section 3.1).
    """

    penalty: Penalty
    weight: float = 1.0
    every: int = 1


class Gan(Game):
    """Vanilla GAN, DCGAN, LSGAN, WGAN and their kin: what differs is the networks, the loss and the penalty.

    Args:
        networks: "generator", with an attribute `latent_dim`, and "discriminator".
        loss: the pair of objectives.
        penalty: what J(D) pays for besides, or what holds the discriminator's weights in bounds.
        streams: where the latent input and the penalty's random numbers come from.
        discriminator_turns: turns of the discriminator for each of the generator.
        pulling_away_weight: of the pulling-away term in J(G) (EBGAN-PT); above 0 only with an auto-encoder.
    """

    def __init__(
        self,
        networks: dict[str, nn.Module],
        loss: AdversarialLoss,
        penalty: WeightedPenalty,
        streams: Streams,
        discriminator_turns: int = 1,
        pulling_away_weight: float = 0.0,
    ) -> None:
        self.networks = networks
        self.generator, self.discriminator = networks["generator"], networks["discriminator"]
        self.loss = loss
        self.paid, self.penalty = penalty, penalty.penalty
        self.streams = streams
        self.discriminator_turns = discriminator_turns
        self.pulling_away_weight = pulling_away_weight
        first = {**loss.memory, **self.penalty.memory}
        if penalty.every > 1:
            first[LAST] = 0.0
        self.memory = {name: torch.tensor(float(value), device=streams.device) for name, value in first.items()}

    def players(self) -> dict[str, Player]:
        """The discriminator, which draws fresh data at each of its turns, then the generator on the latest of it."""
        return {
            "discriminator": Player(
                ("discriminator",),
                self.discriminator_loss,
                turns=self.discriminator_turns,
                fresh_batch=True,
                after_turn=self.constrain if self.penalty.constrain else None,
            ),
            "generator": Player(("generator",), self.generator_loss),
        }

    def constrain(self) -> None:
        """Puts the discriminator's weights back within their bounds."""
        assert self.penalty.constrain
        self.penalty.constrain(self.discriminator)

    def sample(self, count: int, noise: torch.Generator) -> Tensor:
        """`count` samples [count, *shape] in evaluation mode.

        Batch norm then uses its running statistics, so that an image does not depend on its neighbours.
        """
        training = self.generator.training
        self.generator.eval()
        try:
            with torch.no_grad():
                return self.generate(count, noise)
        finally:
            self.generator.train(training)

    def generate(self, count: int, noise: torch.Generator) -> Tensor:
        """`count` samples [count, *shape] from latent vectors drawn from N(0, I)."""
        latent = torch.randn(count, self.generator.latent_dim, generator=noise, device=noise.device)  # type: ignore[call-overload]
        return self.generator(latent.to(self.streams.device))

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(D) on the batch and as many generated samples, and what it pays for the penalty."""
        generated = self.generate(len(batch.real), self.streams.noise)
        real, fake = self.judge(batch.real, generated)
        terms = {"adversarial": self.loss.discriminator(real, fake, **self._recalled(self.loss))}
        if self.penalty.of_samples or self.penalty.of_logits:
            terms["penalty"] = self._payment(batch, generated, real, fake)
        remembered = self._remember(real.detach(), fake.detach())
        if batch.observed is not None:
            batch.observed["yardstick/j_d"] = cross_entropy(real, fake).detach()
            for name, logits in {"real": real.detach(), "fake": fake.detach()}.items():
                batch.observed[f"score/{name}"] = logits.sigmoid().mean()
                batch.observed[f"logit/{name}"] = logits.mean()
            batch.observed |= {f"memory/{name}": value for name, value in remembered.items()}
        return terms

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

    def _payment(self, batch: Batch, generated: Tensor, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """The weighted penalty; between two payments the last one, without gradient, so that J(D) stays comparable."""
        if (batch.turn - 1) % self.paid.every:
            return self.memory[LAST].clone()
        if self.penalty.of_samples:
            # In full precision: a squared gradient norm soon leaves the range of half precision.
            with torch.autocast(batch.real.device.type, enabled=False):
                value = self.penalty.of_samples(
                    self._still_critic(), batch.real, generated.to(batch.real.dtype), self.streams.penalty
                )
        else:
            assert self.penalty.of_logits
            value = self.penalty.of_logits(real_logits, fake_logits, **self._recalled(self.penalty))
        paid = self.paid.weight * value
        if self.paid.every == 1:
            return paid
        self.memory[LAST].copy_(paid.detach())
        return paid + (self.paid.every - 1) * (paid - paid.detach())  # the value of one payment, the gradient of all

    def _still_critic(self) -> Callable[[Tensor], Tensor]:
        """The discriminator with one and the same dropout mask at every call."""
        start = self.streams.layer_noise.get_state()

        def critic(samples: Tensor) -> Tensor:
            self.streams.layer_noise.set_state(start)
            return self._critic(samples)

        return critic

    def _critic(self, samples: Tensor) -> Tensor:
        return self.discriminator(samples).float()

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(G) on as many generated samples as the batch has."""
        generated = self.generate(len(batch.real), self.streams.noise)
        fake, real = self._critic(generated), None
        if self.loss.real_in_generator == "needed":
            with torch.no_grad():  # real samples do not depend on the generator
                real = self._critic(batch.real)
        if batch.observed is not None:
            batch.observed["yardstick/minus_log_d_fake"] = nonsaturating_generator(None, fake).detach()
            batch.observed["yardstick/log_one_minus_d_fake"] = minimax_generator(None, fake).detach()
            if self.loss.real_in_generator == "constant":
                real = self.peek(batch.real)
        terms = {"adversarial": self.loss.generator(real, fake)}
        if self.pulling_away_weight:
            codes = self.discriminator.encode(generated)  # type: ignore[operator]
            with torch.autocast(codes.device.type, enabled=False):
                terms["pulling_away"] = self.pulling_away_weight * pulling_away(codes.float())
        return terms

    def probe(self, real: Tensor, noise: torch.Generator) -> dict[str, Tensor]:
        """The evidence of `gradient_evidence`, as the generator's turn sees it; of log-odds only."""
        if not self.loss.log_odds:
            return {}
        latent = torch.randn(len(real), self.generator.latent_dim, generator=noise, device=noise.device)  # type: ignore[call-overload]
        parameters = [*self.generator.parameters()]
        for network, moves in ((self.generator, True), (self.discriminator, False)):
            network.requires_grad_(moves)  # as in the generator's turn; the loop says so anew at every turn
        with self.streams.preserved(), torch.enable_grad():
            self.streams.layer_noise.set_state(self.streams.fresh("probe", device=self.streams.device).get_state())
            fake = self._untouched(self.discriminator, self._untouched(self.generator, latent.to(self.streams.device)))
            with torch.no_grad():
                judged = self._untouched(self.discriminator, real)
            return gradient_evidence(judged.float(), fake.float(), parameters, self.loss.generator)

    @staticmethod
    def _untouched(network: nn.Module, given: Tensor) -> Tensor:
        """What the network makes of `given` in a turn, without leaving a trace in batch norm's statistics."""
        return functional_call(network, {name: buffer.clone() for name, buffer in network.named_buffers()}, (given,))

    def judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [N] of real and of generated samples, in one pass where no layer lets samples see each other."""
        if getattr(self.discriminator, "mixes_batch", True):
            return self.discriminator(real).float(), self.discriminator(fake).float()
        logits = self.discriminator(torch.cat([real, fake.to(real.dtype)])).float()
        return logits[: len(real)], logits[len(real) :]

    def peek(self, real: Tensor) -> Tensor:
        """Logits [N] as a turn would see them, without leaving a trace in batch norm's statistics or in any stream."""
        with torch.no_grad(), self.streams.preserved():
            return self._untouched(self.discriminator, real).float()
