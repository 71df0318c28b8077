"""One generator against one discriminator (Goodfellow et al. 2014), with any loss and any penalty plugged in."""

import torch
from torch import Tensor

from ganctl.games.contest import Contest, Judged, untouched
from ganctl.games.evidence import gradient_evidence
from ganctl.games.game import Batch, Game, Parts, Player
from ganctl.games.inputs import Inputs
from ganctl.losses import pulling_away
from ganctl.numerics.streams import derive


class Gan(Game):
    """Vanilla GAN, DCGAN, LSGAN, WGAN and their kin: what differs is the networks, the loss and the penalty.

    Args:
        parts: with the networks "generator", which has an attribute `latent_dim`, and "discriminator".
        discriminator_turns: turns of the discriminator for each of the generator.
        pulling_away_weight: of the pulling-away term in J(G) (EBGAN-PT); above 0 only with an auto-encoder.
    """

    def __init__(self, parts: Parts, discriminator_turns: int = 1, pulling_away_weight: float = 0.0) -> None:
        self.networks = parts.networks
        self.generator, self.discriminator = parts.networks["generator"], parts.networks["discriminator"]
        headed = "head" in parts.networks
        self.contest = Contest(self.discriminator, parts.loss, parts.penalties, parts.streams, headed=headed)
        self.contests = {"": self.contest}
        self.judges = ("discriminator", "head") if headed else ("discriminator",)
        self.streams = parts.streams
        self.discriminator_turns = discriminator_turns
        self.pulling_away_weight = pulling_away_weight

    def players(self) -> dict[str, Player]:
        """The discriminator, which draws fresh data at each of its turns, then the generator on the latest of it."""
        return {
            "discriminator": Player(
                self.judges,
                self.discriminator_loss,
                turns=self.discriminator_turns,
                fresh_batch=True,
                after_turn=self.contest.after_turn,
            ),
            "generator": Player(("generator",), self.generator_loss),
        }

    def latents(self, count: int, noise: torch.Generator) -> Tensor:
        """Latent vectors [count, latent_dim] from N(0, I)."""
        latent = torch.randn(count, self.generator.latent_dim, generator=noise, device=noise.device)  # type: ignore[call-overload]
        return latent.to(self.streams.device)

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """Latent vectors from N(0, I)."""
        return Inputs(self.latents(count, noise))

    def draw_beside(self, batch: Batch, noise: torch.Generator) -> Inputs:
        """What a turn's samples are generated from, one beside each real sample."""
        return self.draw(len(batch.real), noise)

    def told(self, inputs: Inputs) -> Tensor | None:
        """What the discriminator is told of samples, real and generated, [N, K]; None: nothing."""
        del inputs
        return None

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(D) on the batch and as many generated samples, and what it pays for the penalty."""
        inputs = self.draw_beside(batch, self.streams.noise)
        generated, told = self.generate(inputs), self.told(inputs)
        real, fake = self.contest.judge(batch.real, generated, told)
        terms = self.contest.discriminator_terms(batch, real, fake)
        return terms | self.discriminator_extras(batch, inputs, real, fake)

    def discriminator_extras(self, batch: Batch, inputs: Inputs, real: Judged, fake: Judged) -> dict[str, Tensor]:
        """What the discriminator and its head minimize besides."""
        del batch, inputs, real, fake
        return {}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(G) on as many generated samples as the batch has."""
        inputs = self.draw_beside(batch, self.streams.noise)
        generated, told = self.generate(inputs), self.told(inputs)
        fake = self.contest.look(generated, told)
        terms = {"adversarial": self.contest.generator_term(batch, fake, batch.real)}
        return terms | self.generator_extras(batch, inputs, generated, fake)

    def generator_extras(self, batch: Batch, inputs: Inputs, generated: Tensor, fake: Judged) -> dict[str, Tensor]:
        """What the generator minimizes besides."""
        del batch, inputs, fake
        if not self.pulling_away_weight:
            return {}
        codes = self.discriminator.encode(generated)  # type: ignore[operator]
        with torch.autocast(codes.device.type, enabled=False):
            return {"pulling_away": self.pulling_away_weight * pulling_away(codes.float())}

    def probe(self, batch: Batch, noise: torch.Generator) -> dict[str, Tensor]:
        """The evidence of `gradient_evidence`, as the generator's turn sees it; of log-odds only."""
        if not self.contest.loss.log_odds:
            return {}
        inputs = self.draw_beside(batch, noise)
        told = self.told(inputs)
        parameters = [*self.generator.parameters()]
        for network, moves in ((self.generator, True), (self.discriminator, False)):
            network.requires_grad_(moves)  # as in the generator's turn; the loop says so anew at every turn
        with self.streams.preserved(), torch.enable_grad():
            self.streams.layer_noise.restart(derive(self.streams.seed, "probe"))
            generated = untouched(self.generator, *inputs.parts)
            fake = self.contest.glance(generated, told)
            with torch.no_grad():
                judged = self.contest.glance(batch.real, told)
            return gradient_evidence(judged, fake, parameters, self.contest.loss.generator)
