"""The rules of each GAN variant: its players, and the loss of each player."""

from ganctl.games.aae import Aae, SemisupervisedAae
from ganctl.games.acgan import Acgan
from ganctl.games.cgan import Cgan, Projection
from ganctl.games.contest import Contest
from ganctl.games.contests import after_turn
from ganctl.games.cyclegan import CycleGan
from ganctl.games.game import Batch, Game, Parts, Player, chosen_from, evaluating
from ganctl.games.gan import Gan
from ganctl.games.infogan import InfoGan
from ganctl.games.inputs import Code, Inputs
from ganctl.games.metric import GameMetric
from ganctl.games.payment import WeightedPenalty
from ganctl.games.srgan import Srgan

# Each class is called with its parts and its own options.
GAMES: dict[str, type[Game]] = {
    "gan": Gan,
    "cgan": Cgan,
    "projection": Projection,
    "acgan": Acgan,
    "infogan": InfoGan,
    "aae": Aae,
    "aae_semisupervised": SemisupervisedAae,
    "srgan": Srgan,
    "cyclegan": CycleGan,
}

__all__ = [
    "GAMES", "Batch", "Code", "Contest", "CycleGan", "Game", "GameMetric", "Inputs", "Parts", "Player",
    "WeightedPenalty", "after_turn", "chosen_from", "evaluating",
]  # fmt: skip
