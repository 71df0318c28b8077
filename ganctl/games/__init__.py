"""The rules of each GAN variant: who plays, and what each player minimizes."""

from ganctl.games.aae import Aae, SemisupervisedAae
from ganctl.games.acgan import Acgan
from ganctl.games.cgan import Cgan, Projection
from ganctl.games.contest import Contest
from ganctl.games.game import Batch, Game, Parts, Player
from ganctl.games.gan import Gan
from ganctl.games.infogan import InfoGan
from ganctl.games.inputs import Code, Inputs
from ganctl.games.payment import WeightedPenalty

# Made of (its parts, its own options).
GAMES: dict[str, type[Game]] = {
    "gan": Gan,
    "cgan": Cgan,
    "projection": Projection,
    "acgan": Acgan,
    "infogan": InfoGan,
    "aae": Aae,
    "aae_semisupervised": SemisupervisedAae,
}

__all__ = ["GAMES", "Batch", "Code", "Contest", "Game", "Inputs", "Parts", "Player", "WeightedPenalty"]
