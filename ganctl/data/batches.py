"""The batches of a run, and its position in the data."""

from ganctl.data.dataset import Dataset
from ganctl.data.samples import Samples, scaled
from ganctl.errors import BadInput
from ganctl.numerics.streams import Streams


class Batches:
    """Draws the batches of a data set. `drawn`, the number drawn so far, is its only state, so it can be resumed.

    Args:
        dataset: the data set, on the device of the training.
        batch_size: samples per batch, at most the size of an epoch.
        streams: the run's random streams.
        value_range: values of black and white in a batch: (-1, 1) for a generator with tanh, (0, 1) with sigmoid.

    Raises:
        BadInput: the batch is larger than an epoch.
    """

    def __init__(
        self, dataset: Dataset, batch_size: int, streams: Streams, value_range: tuple[float, float] = (-1.0, 1.0)
    ) -> None:
        if batch_size > dataset.epoch_size:
            raise BadInput(
                f"batch_size={batch_size}: the data set has {dataset.epoch_size} samples; "
                f"give batch_size={dataset.epoch_size} or less"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.streams = streams
        self.value_range = value_range
        self.per_epoch = dataset.epoch_size // batch_size
        self.drawn = 0

    @property
    def epoch(self) -> float:
        """The number of passes over the data so far."""
        return self.drawn / self.per_epoch

    def draw(self) -> Samples:
        """Draws the next batch, float32 within the value range."""
        batch = self.dataset.batch(self.drawn, self.batch_size, self.streams)
        self.drawn += 1
        return scaled(batch, self.value_range)
