"""What the discriminator calls real: images in memory, or a density that is sampled exactly."""

from collections.abc import Callable
from typing import Any

from ganctl.data import densities, digits, folders
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
}

# The same options -> images of the same kind that no training sees, where there are any
TEST_SPLITS: dict[str, Callable[[Any], ImageSet]] = {
    "mnist": digits.mnist_test,
    "fashion_mnist": digits.fashion_mnist_test,
}

__all__ = [
    "DATASETS", "TEST_SPLITS", "Batches", "Dataset", "Density", "Domains", "ImageSet", "Samples",
    "in_range", "kind_of", "measured_in", "scaled",
]  # fmt: skip
