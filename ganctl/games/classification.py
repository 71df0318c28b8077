"""A game of one player, who only learns what class an image has: the network that images are measured in."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganctl.data import ImageSet
from ganctl.games.game import Batch, Game, Player
from ganctl.streams import Streams


class Classification(Game):
    """A classifier minimizes its cross-entropy on labelled images.

    Args:
        classifier: images -> (features, logits).
        images: with labels, the ones that batches are of.
        streams: of the training, which batches are drawn with.
    """

    sampled: tuple[str, ...] = ()

    def __init__(self, classifier: nn.Module, images: ImageSet, streams: Streams) -> None:
        self.networks: dict[str, nn.Module] = {"classifier": classifier}
        self.images = images
        self.streams = streams

    def players(self) -> dict[str, Player]:
        """The classifier alone."""
        return {"classifier": Player(("classifier",), self._loss, fresh_batch=True)}

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        labels = self.images.batch_labels(batch.turn - 1, len(batch.real), self.streams)
        return {"cross_entropy": cross_entropy(self.networks["classifier"](batch.real)[1], labels)}

    def sample(self, count: int, noise: torch.Generator) -> Any:
        """A classifier makes nothing.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"{count} samples: a classifier makes none")
