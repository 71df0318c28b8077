"""Real images and what a game makes of them, as an auto-encoder its reconstructions."""

from typing import NamedTuple

from torch import Tensor

from ganctl.config.load import read
from ganctl.config.schema import option
from ganctl.data import kind_of
from ganctl.errors import BadInput
from ganctl.evaluation.service import data_of
from ganctl.evaluation.wanted import Wanted
from ganctl.games import GAMES, Game
from ganctl.numerics.streams import Streams
from ganctl.store.places import shown
from ganctl.store.run import RunFolder
from ganctl.training.experiment import Experiment


class Comparison(NamedTuple):
    """Rows of images, and where the real ones come from.

    Attributes:
        rows: images [N, C, H, W] on the CPU, within the generator's range, by the label of their row.
        origin: the data that the real ones come from, in words.
    """

    rows: dict[str, Tensor]
    origin: str

    @property
    def columns(self) -> int:
        """The number of images in a row."""
        return len(next(iter(self.rows.values())))


def reconstructions(
    experiment: Experiment, home: RunFolder, num: int | None, seed: int, plugins: list[str]
) -> Comparison:
    """`num` images of the test split, or of the data set where that has none, and what the game makes of each.

    Args:
        num: how many; None: 32, or as many as there are.
        seed: of the choice.
        plugins: modules of the user that the data come from.

    Raises:
        BadInput: the run computes no samples from real ones, its data are no images, cannot be read or are fewer.
    """
    if type(experiment.training.game).compare is Game.compare:
        able = [name for name, rules in GAMES.items() if rules.compare is not Game.compare]
        raise BadInput(
            f"--reconstruct: this run computes no samples from real ones; name a run of game={', '.join(able)}"
        )
    options = read(home.config).data
    try:
        train, test = data_of(Wanted(plugins=plugins), options)
    except BadInput as error:
        moved = f"`ganctl train --resume {shown(home.path)} data.root=DIR` says where they are now"
        raise BadInput(f"--reconstruct: needs the run's data ({str(error).split('; ')[0]}); {moved}") from None
    data = test or train
    if kind_of(data) != "images":
        raise BadInput(f"--reconstruct: shows images, and data={option(options, 'name')} are points; leave it out")
    if num is not None and num > data.epoch_size:
        raise BadInput(f"--num {num}: there are {data.epoch_size} images; use at most that many")
    kind = "test images" if test else "images"
    origin = f"{kind} of {option(options, 'name')}{'' if test else ', on which it was trained'}"
    real = data.batch(0, num or min(32, data.epoch_size), Streams(seed))
    return Comparison(experiment.compare(real), origin)
