"""Where a run is in its data."""

from ganctl.data.dataset import Dataset
from ganctl.data.samples import Samples, scaled
from ganctl.errors import BadInput
from ganctl.numerics.streams import Streams


class Batches:
    """Batch after batch of a data set. `drawn` alone says where it is, so a resumed run goes on from there.

    Args:
        dataset: on the device where training is.
        batch_size: samples in a batch; at most an epoch of them.
        streams: the run's.
        value_range: what the pixels 0 and 255 become in a batch: (-1, 1) beside a tanh, (0, 1) beside a sigmoid.
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
        """Passes over the data so far."""
        return self.drawn / self.per_epoch

    def draw(self) -> Samples:
        """The next batch, float32 within the value range."""
        batch = self.dataset.batch(self.drawn, self.batch_size, self.streams)
        self.drawn += 1
        return scaled(batch, self.value_range)
