"""The rules of each GAN variant: who plays, and what each player minimizes."""

from ganctl.games.game import Batch, Game, Player
from ganctl.games.gan import Gan

# networks, adversarial loss, streams -> game
GAMES: dict[str, type[Gan]] = {"gan": Gan}

__all__ = ["GAMES", "Batch", "Game", "Player"]
