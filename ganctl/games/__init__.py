"""The rules of each GAN variant: who plays, and what each player minimizes."""

from collections.abc import Callable

from ganctl.games.game import Batch, Game, Player
from ganctl.games.gan import Gan, WeightedPenalty

# networks, adversarial loss, weighted penalty, streams, the game's own options -> game
GAMES: dict[str, Callable[..., Game]] = {"gan": Gan}

__all__ = ["GAMES", "Batch", "Game", "Player", "WeightedPenalty"]
