"""An auto-encoder whose codes are held to a prior by a discriminator (Makhzani et al. 2016, arXiv:1511.05644)."""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ganctl.data import Dataset, ImageSet, Samples, in_range
from ganctl.errors import BadInput
from ganctl.games.cgan import classes_of, labelled, one_hot, with_labels
from ganctl.games.contest import Contest, after_turn
from ganctl.games.game import Batch, Game, Parts, Player, evaluating
from ganctl.games.inputs import Code, Inputs
from ganctl.games.priors import PRIORS
from ganctl.models import Discriminator, Encoder, Generator, Role


class Aae(Game):
    """The encoder sits with two players: it reconstructs with the decoder, and it deceives the discriminator of codes.

    Both phases of a step (section 2) look at the same batch. Real is what the prior gives, generated what the encoder
    makes of a sample.

    Args:
        parts: with the networks "encoder", "decoder", which has an attribute `latent_dim`, and "discriminator".
        prior: of the codes.
    """

    sampled: tuple[str, ...] = ("decoder", "encoder")
    offers: tuple[str, ...] = ("confidence", "reconstruction_error", "prior_distance", "prior_p")

    def __init__(self, parts: Parts, prior: str = "gaussian") -> None:
        self.networks = parts.networks
        self.encoder, self.decoder = parts.networks["encoder"], parts.networks["decoder"]
        self.latent_dim = int(self.decoder.latent_dim)  # type: ignore[arg-type]
        self.prior = PRIORS[prior]
        if self.prior.dimensions not in (None, self.latent_dim):
            raise BadInput(
                f"game.prior={prior} model.latent_dim={self.latent_dim}: that prior has {self.prior.dimensions} "
                f"dimensions; use model.latent_dim={self.prior.dimensions}, or game.prior=gaussian"
            )
        self.streams = parts.streams
        self.contest = Contest(parts.networks["discriminator"], parts.loss, parts.penalties, parts.streams)
        self.contests = {"": self.contest}

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """An encoder, a decoder, and a discriminator of latent vectors."""
        del options
        return {
            "encoder": Encoder(dataset.shape, latent_dim),
            "decoder": Generator(dataset.shape),
            "discriminator": Discriminator((latent_dim,)),
        }

    def players(self) -> dict[str, Player]:
        """First the auto-encoder, which draws fresh data, then the discriminator, then the encoder as generator."""
        return {
            "autoencoder": Player(("encoder", "decoder"), self.reconstruction_loss, fresh_batch=True, judged=False),
            "discriminator": Player(("discriminator",), self.discriminator_loss, after_turn=self.contest.after_turn),
            "generator": Player(("encoder",), self.generator_loss),
        }

    def encode(self, samples: Tensor) -> Inputs:
        """The code of each sample, from which the decoder makes it again."""
        return Inputs(self.encoder(samples))

    def reconstruct(self, samples: Tensor) -> Tensor:
        """What is left of samples [N, *shape] after encoder and decoder, in evaluation mode; changes nothing."""
        with evaluating(self.encoder, self.decoder):
            return self.generate(self.encode(samples))

    def own_figures(self, real: Samples, noise: torch.Generator) -> dict[str, Tensor]:
        """`reconstruction_error`: squared, per element, black at 0, white at 1; `latents`, and the `prior`'s twice."""
        low, high = self.decoder.output_range or (0.0, 1.0)  # type: ignore[misc]
        with evaluating(self.encoder, self.decoder):
            inputs = self.encode(real.data)
            error = (self.generate(inputs) - real.data).flatten(1).square().mean(dim=1) / (high - low) ** 2
            prior, other = (_style(Aae.draw(self, len(real), noise)) for _ in range(2))
        return {"reconstruction_error": error, "latents": _style(inputs), "prior": prior, "other_prior": other}

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """Codes from the prior."""
        return Inputs(self.prior.draw(count, self.latent_dim, noise).to(self.streams.device))

    def reconstruction_loss(self, batch: Batch) -> dict[str, Tensor]:
        """E (x - decoder(encoder(x)))^2, the mean over the elements of samples."""
        return {"reconstruction": (self.generate(self.encode(batch.real)).float() - batch.real).square().mean()}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(D) on codes of the prior and of the batch, and what it pays for the penalty."""
        real = self.draw(len(batch.real), self.streams.noise)
        return _told_apart(self.contest, batch, _style(real), _style(self.encode(batch.real)))

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(G) of the encoder on the codes of the batch."""
        real = self.draw(len(batch.real), self.streams.noise)
        return {"adversarial": _deceived(self.contest, batch, _style(real), _style(self.encode(batch.real)))}


def _told_apart(contest: Contest, batch: Batch, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    fake = fake.float()
    return contest.discriminator_terms(batch, *contest.judge(real, fake))


def _deceived(contest: Contest, batch: Batch, real: Tensor, fake: Tensor) -> Tensor:
    return contest.generator_term(batch, contest.look(fake.float()), real)


def _style(inputs: Inputs) -> Tensor:
    assert inputs.latent is not None
    return inputs.latent


class SemisupervisedAae(Aae):
    """The encoder gives a class beside its code of style, and learns it from few labels (section 5).

    A second discriminator holds the class to a one-hot of equally likely classes. `labelled` samples, as many of each
    class, have a label; the class of all others is unknown.

    Args:
        parts: with a "class_discriminator" too, and an encoder that gives a logit a class beside the code.
        prior: of the style.
        labelled: samples whose label is known.
    """

    offers = (*Aae.offers, "label_agreement", "class_fid", "label_error")

    def __init__(self, parts: Parts, prior: str = "gaussian", labelled: int = 1000) -> None:
        super().__init__(parts, prior)
        self.classes = classes_of(parts, "decoder")
        self.codes = {"label": Code(classes=self.classes)}
        self.class_contest = Contest(
            parts.networks["class_discriminator"], parts.loss, parts.penalties, parts.streams, name="class_"
        )
        self.contests = {"": self.contest, "class_": self.class_contest}
        self.dataset, self.num_labelled = parts.dataset, labelled
        if labelled < self.classes:
            raise BadInput(f"game.labelled={labelled}: must be at least {self.classes}, one of each class")

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """An encoder to style and class, a decoder of both, and a discriminator of each."""
        del options
        classes = labelled("aae_semisupervised", dataset.classes)
        return {
            "encoder": Encoder(dataset.shape, latent_dim + classes),
            "decoder": Generator(dataset.shape, classes),
            "discriminator": Discriminator((latent_dim,)),
            "class_discriminator": Discriminator((classes,)),
        }

    @cached_property
    def labelled(self) -> ImageSet:
        """The samples whose label is known."""
        assert isinstance(self.dataset, ImageSet)
        try:
            return self.dataset.balanced(self.num_labelled, self.streams.fresh("labelled"))
        except BadInput as error:
            raise BadInput(f"game.labelled: {error}") from None

    def check_data(self) -> None:
        """Raises BadInput where a class has fewer samples than should have a label."""
        _ = self.labelled

    def players(self) -> dict[str, Player]:
        """Those of the auto-encoder, then the encoder as a classifier of the samples with a label."""
        players = super().players()
        players["discriminator"] = Player(
            ("discriminator", "class_discriminator"), self.discriminator_loss, after_turn=after_turn(self.contests)
        )
        return players | {"classifier": Player(("encoder",), self.classification_loss, judged=False)}

    def _encoded(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Style [N, latent_dim] and class logits [N, classes]."""
        style, logits = self.encoder(samples).float().split([self.latent_dim, self.classes], dim=1)
        return style, logits

    def encode(self, samples: Tensor) -> Inputs:
        """The style of each sample, and how likely each class is."""
        style, logits = self._encoded(samples)
        return Inputs(style, {"label": logits.softmax(dim=1)})

    def classify(self, samples: Tensor) -> Tensor:
        """The class of each sample, int64 [N]; changes nothing."""
        with evaluating(self.encoder):
            return self._encoded(samples)[1].argmax(dim=1)

    def own_figures(self, real: Samples, noise: torch.Generator) -> dict[str, Tensor]:
        """The same, and `label_error`: whether the encoder gives a wrong class."""
        found = super().own_figures(real, noise)
        if real.labels is not None:
            found["label_error"] = (self.classify(real.data) != real.labels).double()
        return found

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """A style from the prior, and every class with the same probability."""
        return with_labels(super().draw(count, noise), self.classes, noise)

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(D) on styles and on classes."""
        real, fake = self.draw(len(batch.real), self.streams.noise), self.encode(batch.real)
        classes = _told_apart(self.class_contest, batch, real.codes["label"], fake.codes["label"])
        return {
            **_told_apart(self.contest, batch, _style(real), _style(fake)),
            **{f"class_{name}": value for name, value in classes.items()},
        }

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(G) of the encoder on styles and on classes."""
        real, fake = self.draw(len(batch.real), self.streams.noise), self.encode(batch.real)
        return {
            "adversarial": _deceived(self.contest, batch, _style(real), _style(fake)),
            "class_adversarial": _deceived(self.class_contest, batch, real.codes["label"], fake.codes["label"]),
        }

    def classification_loss(self, batch: Batch) -> dict[str, Tensor]:
        """The cross-entropy of the class on as many samples with a label."""
        size = min(len(batch.real), self.labelled.epoch_size)
        drawn = self.labelled.batch(batch.turn - 1, size, self.streams)
        assert drawn.labels is not None
        logits = self._encoded(in_range(drawn.data, self.value_range))[1]
        if batch.observed is not None:
            batch.observed["accuracy/labelled"] = (logits.argmax(dim=1) == drawn.labels).float().mean()
        return {"cross_entropy": cross_entropy(logits, one_hot(drawn.labels, self.classes))}
