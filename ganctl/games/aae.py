"""Adversarial auto-encoders: a discriminator fits the codes to a prior (Makhzani et al. 2016, arXiv:1511.05644)."""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ganctl.data import Dataset, ImageSet, Samples, in_range
from ganctl.errors import BadInput
from ganctl.games.cgan import classes_of, labelled, one_hot, with_labels
from ganctl.games.contest import Contest
from ganctl.games.contests import after_turn
from ganctl.games.game import Batch, Game, Parts, Player, evaluating
from ganctl.games.inputs import Code, Inputs
from ganctl.games.metric import GameMetric, known
from ganctl.games.priors import PRIORS
from ganctl.models import Discriminator, Encoder, Generator, Role


class Aae(Game):
    """An auto-encoder; its encoder is also the generator that plays against a discriminator of codes.

    Both phases of a step (section 2) use the same batch. Codes drawn from the prior are real; codes that the encoder
    computes from samples are generated.

    Args:
        parts: its networks are "encoder", "decoder" (with an attribute `latent_dim`) and "discriminator".
        prior: name of the prior of the codes, a key of `PRIORS`.
    """

    sampled: tuple[str, ...] = ("decoder", "encoder")
    offers: tuple[str, ...] = ("confidence", "prior_distance", "prior_p")
    metrics: Mapping[str, GameMetric] = MappingProxyType(
        {"reconstruction_error": known("reconstruction_error", least=0)}
    )

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
        """The auto-encoder, which draws a new batch, then the discriminator, then the encoder as the generator."""
        return {
            "autoencoder": Player(("encoder", "decoder"), self.reconstruction_loss, fresh_batch=True, judged=False),
            "discriminator": Player(("discriminator",), self.discriminator_loss, after_turn=self.contest.after_turn),
            "generator": Player(("encoder",), self.generator_loss),
        }

    def encode(self, samples: Tensor) -> Inputs:
        """The code of each sample: the input from which the decoder reconstructs it."""
        return Inputs(self.encoder(samples))

    def reconstruct(self, samples: Tensor) -> Tensor:
        """Reconstructions of samples [N, *shape] by encoder and decoder, in evaluation mode; no state changes."""
        with evaluating(self.encoder, self.decoder):
            return self.generate(self.encode(samples))

    def compare(self, real: Samples) -> dict[str, Tensor]:
        """The samples and their reconstructions."""
        return {"images": real.data, "reconstructions": self.reconstruct(real.data)}

    def own_figures(self, real: Samples, noise: torch.Generator) -> dict[str, Tensor]:
        """`reconstruction_error`: squared, per element, black at 0, white at 1; `latents`, and the `prior`'s twice."""
        low, high = self.decoder.output_range or (0.0, 1.0)  # type: ignore[misc]
        with evaluating(self.encoder, self.decoder):
            inputs = self.encode(real.data)
            error = (self.generate(inputs) - real.data).flatten(1).square().mean(dim=1) / (high - low) ** 2
            prior, other = (_style(Aae.draw(self, len(real), noise)) for _ in range(2))
        return {"reconstruction_error": error, "latents": _style(inputs), "prior": prior, "other_prior": other}

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """Codes drawn from the prior."""
        return Inputs(self.prior.draw(count, self.latent_dim, noise).to(self.streams.device))

    def reconstruction_loss(self, batch: Batch) -> dict[str, Tensor]:
        """E (x - decoder(encoder(x)))^2, the mean over all elements of the batch."""
        return {"reconstruction": (self.generate(self.encode(batch.real)).float() - batch.real).square().mean()}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(D) on codes from the prior and codes of the batch, and the penalty terms."""
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
    """The code consists of a style and a class, and the encoder learns the class from few labels (section 5).

    A second discriminator makes the class follow the uniform distribution of one-hot vectors. The labels of `labelled`
    samples, equally many per class, are used; those of all others are not.

    Args:
        parts: as in `Aae`, with a "class_discriminator", and an encoder that also returns one logit per class.
        prior: name of the prior of the style, a key of `PRIORS`.
        labelled: number of samples with a known label.
    """

    offers = (*Aae.offers, "label_agreement", "class_fid")
    metrics = MappingProxyType({**Aae.metrics, "label_error": known("label_error", least=0, most=1, held_out=True)})

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
        """An encoder to style and class, a decoder from both, and one discriminator for each of the two."""
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
        """The samples with a known label."""
        assert isinstance(self.dataset, ImageSet)
        try:
            return self.dataset.balanced(self.num_labelled, self.streams.fresh("labelled"))
        except BadInput as error:
            raise BadInput(f"game.labelled: {error}") from None

    def check_data(self) -> None:
        """Raises BadInput if a class has fewer samples than `labelled` requires per class."""
        _ = self.labelled

    def players(self) -> dict[str, Player]:
        """The players of `Aae`, then the encoder as a classifier of the labelled samples."""
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
        """The style and the class probabilities of each sample."""
        style, logits = self._encoded(samples)
        return Inputs(style, {"label": logits.softmax(dim=1)})

    def classify(self, samples: Tensor) -> Tensor:
        """The predicted class of each sample, int64 [N]; no state changes."""
        with evaluating(self.encoder):
            return self._encoded(samples)[1].argmax(dim=1)

    def own_figures(self, real: Samples, noise: torch.Generator) -> dict[str, Tensor]:
        """The same, and `label_error`: whether the encoder gives a wrong class."""
        found = super().own_figures(real, noise)
        if real.labels is not None:
            found["label_error"] = (self.classify(real.data) != real.labels).double()
        return found

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """Styles from the prior, and uniformly distributed classes."""
        return with_labels(super().draw(count, noise), self.classes, noise)

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(D) of both discriminators: on styles and on classes."""
        real, fake = self.draw(len(batch.real), self.streams.noise), self.encode(batch.real)
        classes = _told_apart(self.class_contest, batch, real.codes["label"], fake.codes["label"])
        return {
            **_told_apart(self.contest, batch, _style(real), _style(fake)),
            **{f"class_{name}": value for name, value in classes.items()},
        }

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(G) of the encoder against both discriminators: on styles and on classes."""
        real, fake = self.draw(len(batch.real), self.streams.noise), self.encode(batch.real)
        return {
            "adversarial": _deceived(self.contest, batch, _style(real), _style(fake)),
            "class_adversarial": _deceived(self.class_contest, batch, real.codes["label"], fake.codes["label"]),
        }

    def classification_loss(self, batch: Batch) -> dict[str, Tensor]:
        """The cross-entropy of the encoder's class on labelled samples, at most as many as the batch has."""
        size = min(len(batch.real), self.labelled.epoch_size)
        drawn = self.labelled.batch(batch.turn - 1, size, self.streams)
        assert drawn.labels is not None
        logits = self._encoded(in_range(drawn.data, self.value_range))[1]
        if batch.observed is not None:
            batch.observed["accuracy/labelled"] = (logits.argmax(dim=1) == drawn.labels).float().mean()
        return {"cross_entropy": cross_entropy(logits, one_hot(drawn.labels, self.classes))}
