"""A game with one player: the classifier whose features the metrics use."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganctl.games.game import Batch, Game, Player


class Classification(Game):
    """A classifier minimizes its cross-entropy on labelled images.

    Args:
        classifier: images -> (features, logits).
    """

    sampled: tuple[str, ...] = ()

    def __init__(self, classifier: nn.Module) -> None:
        self.networks: dict[str, nn.Module] = {"classifier": classifier}

    def players(self) -> dict[str, Player]:
        """The classifier, the only player."""
        return {"classifier": Player(("classifier",), self._loss, fresh_batch=True)}

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        assert batch.labels is not None
        return {"cross_entropy": cross_entropy(self.networks["classifier"](batch.real)[1], batch.labels)}
