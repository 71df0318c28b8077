"""What the discriminator calls real: images in memory, or a density that is sampled exactly."""

from collections.abc import Callable
from typing import Any

from ganctl.config.schema import option
from ganctl.data import densities, digits, folders, unpaired
from ganctl.data.batches import Batches
from ganctl.data.dataset import Dataset, Density, ImageSet, kind_of
from ganctl.data.domains import Domains, measured_in
from ganctl.data.samples import Samples, in_range, scaled

Drawn = Samples  # its earlier name, which data sets of plugins may use

# options -> data set
DATASETS: dict[str, Callable[[Any], Dataset]] = {
    "mnist5k": digits.mnist5k,
    "mnist": digits.mnist,
    "fashion_mnist": digits.fashion_mnist,
    "folder": folders.folder,
    "ring8": densities.ring8,
    "grid25": densities.grid25,
    "mnist_to_colour": unpaired.mnist_to_colour,
    "unpaired": unpaired.unpaired,
}

# The same options -> images of the same kind that no training sees; None where these options leave none
TEST_SPLITS: dict[str, Callable[[Any], ImageSet | None]] = {
    "mnist5k": digits.mnist5k_test,
    "mnist": digits.mnist_test,
    "fashion_mnist": digits.fashion_mnist_test,
    "folder": folders.folder_test,
}


def test_split(options: Any, train: Dataset | None = None) -> Dataset | None:
    """Images of the same kind that no training sees; None where there are none.

    Args:
        options: of the data.
        train: these data, where they are in memory already; what they hold out is then not read again.
    """
    held_out: Dataset | None = getattr(train, "held_out", None)
    row = TEST_SPLITS.get(option(options, "name"))
    return held_out if held_out is not None or row is None else row(options)


__all__ = [
    "DATASETS", "TEST_SPLITS", "Batches", "Dataset", "Density", "Domains", "ImageSet", "Samples",
    "in_range", "kind_of", "measured_in", "scaled", "test_split",
]  # fmt: skip
