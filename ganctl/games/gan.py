"""One generator against one discriminator (Goodfellow et al. 2014), with any adversarial loss plugged in."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganctl.games.game import Batch, Game, Player
from ganctl.losses.adversarial import (
    AdversarialLoss,
    cross_entropy,
    minimax_generator,
    nonsaturating_generator,
)
from ganctl.streams import Streams


class Gan(Game):
    """Vanilla GAN, DCGAN and their kin: what differs between them is the networks and the loss.

    Args:
        networks: "generator", with an attribute `latent_dim`, and "discriminator".
        loss: the pair of objectives.
        streams: where the latent input comes from.
    """

    def __init__(self, networks: dict[str, nn.Module], loss: AdversarialLoss, streams: Streams) -> None:
        self.networks = networks
        self.generator, self.discriminator = networks["generator"], networks["discriminator"]
        self.loss = loss
        self.streams = streams

    def players(self) -> dict[str, Player]:
        return {
            "discriminator": Player(("discriminator",), self.discriminator_loss, fresh_batch=True),
            "generator": Player(("generator",), self.generator_loss),
        }

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
        """J(D) on the batch and as many generated samples."""
        real, fake = self.judge(batch.real, self.generate(len(batch.real), self.streams.noise))
        if batch.observed is not None:
            batch.observed["yardstick/j_d"] = cross_entropy(real, fake).detach()
            batch.observed["score/real"] = real.detach().sigmoid().mean()
            batch.observed["score/fake"] = fake.detach().sigmoid().mean()
        return {"adversarial": self.loss.discriminator(real, fake)}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(G) on as many generated samples as the batch has."""
        fake = self.discriminator(self.generate(len(batch.real), self.streams.noise)).float()
        real = None
        if batch.observed is not None:
            batch.observed["yardstick/minus_log_d_fake"] = nonsaturating_generator(None, fake).detach()
            batch.observed["yardstick/log_one_minus_d_fake"] = minimax_generator(None, fake).detach()
            if self.loss.real_in_generator == "constant":
                real = self.peek(batch.real)
        return {"adversarial": self.loss.generator(real, fake)}

    def judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [N] of real and of generated samples, in one pass where no layer lets samples see each other."""
        if getattr(self.discriminator, "mixes_batch", True):
            return self.discriminator(real).float(), self.discriminator(fake).float()
        logits = self.discriminator(torch.cat([real, fake.to(real.dtype)])).float()
        return logits[: len(real)], logits[len(real) :]

    def peek(self, real: Tensor) -> Tensor:
        """Logits [N] as a turn would see them, without leaving a trace in batch norm's statistics or in any stream."""
        buffers = {name: buffer.clone() for name, buffer in self.discriminator.named_buffers()}
        with torch.no_grad(), self.streams.preserved():
            return functional_call(self.discriminator, buffers, (real,)).float()
