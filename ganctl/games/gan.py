"""One generator against one discriminator (Goodfellow et al. 2014), with any loss and any penalty."""

import torch
from torch import Tensor

from ganctl.games.contest import Contest, Judged, untouched
from ganctl.games.evidence import gradient_evidence
from ganctl.games.game import Batch, Game, Parts, Player
from ganctl.games.inputs import Inputs
from ganctl.losses import pulling_away
from ganctl.numerics.streams import derive


class Gan(Game):
    """Vanilla GAN, DCGAN, LSGAN, WGAN and others that differ only in the networks, the loss and the penalty.

    Args:
        parts: its networks are "generator" (with an attribute `latent_dim`) and "discriminator".
        discriminator_turns: turns of the discriminator per turn of the generator.
        pulling_away_weight: weight of the pulling-away term in J(G) (EBGAN-PT); above 0 only if the discriminator is an
            auto-encoder.
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
        """The discriminator, which draws a new batch in each of its turns, then the generator, on the latest batch."""
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

    def draw_for(self, batch: Batch, noise: torch.Generator) -> Inputs:
        """Draws the inputs of the generated samples of a turn, one per real sample."""
        return self.draw(len(batch.real), noise)

    def condition_of(self, inputs: Inputs) -> Tensor | None:
        """The discriminator's condition for real and generated samples alike, [N, K]; None if it takes none."""
        del inputs
        return None

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(D) on the batch and as many generated samples, the penalty terms, and the extra terms."""
        inputs = self.draw_for(batch, self.streams.noise)
        generated, condition = self.generate(inputs), self.condition_of(inputs)
        real, fake = self.contest.judge(batch.real, generated, condition)
        terms = self.contest.discriminator_terms(batch, real, fake)
        return terms | self.discriminator_extras(batch, inputs, real, fake)

    def discriminator_extras(self, batch: Batch, inputs: Inputs, real: Judged, fake: Judged) -> dict[str, Tensor]:
        """Further terms, by name, that the discriminator and its head minimize."""
        del batch, inputs, real, fake
        return {}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(G) on as many generated samples as the batch has, and the extra terms."""
        inputs = self.draw_for(batch, self.streams.noise)
        generated, condition = self.generate(inputs), self.condition_of(inputs)
        fake = self.contest.look(generated, condition)
        terms = {"adversarial": self.contest.generator_term(batch, fake, batch.real)}
        return terms | self.generator_extras(batch, inputs, generated, fake)

    def generator_extras(self, batch: Batch, inputs: Inputs, generated: Tensor, fake: Judged) -> dict[str, Tensor]:
        """Further terms, by name, that the generator minimizes."""
        del batch, inputs, fake
        if not self.pulling_away_weight:
            return {}
        codes = self.discriminator.encode(generated)  # type: ignore[operator]
        with torch.autocast(codes.device.type, enabled=False):
            return {"pulling_away": self.pulling_away_weight * pulling_away(codes.float())}

    def probe(self, batch: Batch, noise: torch.Generator) -> dict[str, Tensor]:
        """The scalars of `gradient_evidence`, computed as in the generator's turn; only for losses on log-odds."""
        if not self.contest.loss.log_odds:
            return {}
        inputs = self.draw_for(batch, noise)
        condition = self.condition_of(inputs)
        parameters = [*self.generator.parameters()]
        for network, moves in ((self.generator, True), (self.discriminator, False)):
            network.requires_grad_(moves)  # as in the generator's turn; the loop sets it again in every turn
        with self.streams.preserved(), torch.enable_grad():
            self.streams.layer_noise.restart(derive(self.streams.seed, "probe"))
            generated = untouched(self.generator, *inputs.parts)
            fake = self.contest.glance(generated, condition)
            with torch.no_grad():
                real = self.contest.glance(batch.real, condition)
            return gradient_evidence(real, fake, parameters, self.contest.loss.generator)
