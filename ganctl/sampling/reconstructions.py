"""Real images and what an auto-encoder makes of them."""

from typing import NamedTuple

from torch import Tensor

from ganctl.config.load import read
from ganctl.config.schema import option
from ganctl.data import ImageSet, in_range
from ganctl.errors import BadInput
from ganctl.evaluation.service import data_of
from ganctl.evaluation.wanted import Wanted
from ganctl.numerics.streams import Streams
from ganctl.store.places import shown
from ganctl.store.run import RunFolder
from ganctl.training.experiment import Experiment


class Reconstructions(NamedTuple):
    """Images within the generator's range, on the CPU, [N, C, H, W].

    Attributes:
        real: of the data set.
        made: what decoder and encoder make of each.
        origin: where the real ones come from.
    """

    real: Tensor
    made: Tensor
    origin: str


def reconstructions(
    experiment: Experiment, home: RunFolder, num: int | None, seed: int, plugins: list[str]
) -> Reconstructions:
    """`num` images of the test split, or of the data set where that has none, and their reconstructions.

    Args:
        num: how many; None: 32, or as many as there are.
        seed: of the choice.
        plugins: modules of the user that the data come from.

    Raises:
        BadInput: the run has no auto-encoder, its data are no images, cannot be read or are fewer.
    """
    if not hasattr(experiment.training.game, "reconstruct"):
        raise BadInput("--reconstruct: this run has no auto-encoder; name a run of game=aae or aae_semisupervised")
    options = read(home.config).data
    try:
        train, test = data_of(Wanted(plugins=plugins), options)
    except BadInput as error:
        moved = f"`ganctl train --resume {shown(home.path)} data.root=DIR` says where they are now"
        raise BadInput(f"--reconstruct: needs the run's data ({str(error).split('; ')[0]}); {moved}") from None
    data = test or train
    if not isinstance(data, ImageSet):
        raise BadInput(f"--reconstruct: shows images, and data={option(options, 'name')} are points; leave it out")
    if num is not None and num > data.epoch_size:
        raise BadInput(f"--num {num}: there are {data.epoch_size} images; use at most that many")
    kind = "test images" if test else "images"
    origin = f"{kind} of {option(options, 'name')}{'' if test else ', on which it was trained'}"
    real = in_range(data.batch(0, num or min(32, data.epoch_size), Streams(seed)).data, experiment.value_range)
    return Reconstructions(real, experiment.reconstruct(real), origin)
