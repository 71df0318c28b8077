"""The real images that generated ones are measured against, and other real images, which give the floor."""

from dataclasses import dataclass

from ganctl.data import ImageSet
from ganctl.errors import BadInput
from ganctl.evaluation.extraction import KEPT, Extracted, extract_kept, shuffled
from ganctl.evaluation.features import FeatureNetwork
from ganctl.evaluation.telling import Told, silent


@dataclass
class Reference:
    """Two disjoint sets of real images.

    Attributes:
        split: the origin of `real`: test, train, or for images without a test split half or whole.
        real: the images that generated ones are measured against.
        other: other real images, `num` or as many as there are. Measured like generated ones, they give the floor. None
            if there are no others.
        num: number of images to generate.
        trained_on: which set the generator may have seen, "real" or "other"; None: both.
    """

    split: str
    real: Extracted
    other: Extracted | None
    num: int
    trained_on: str | None

    @property
    def train(self) -> Extracted:
        """The images that the generator may have seen."""
        assert self.other is not None
        return self.real if self.trained_on == "real" else self.other

    @property
    def held_out(self) -> Extracted:
        """The images that the generator has not seen."""
        assert self.other is not None
        return self.other if self.trained_on == "real" else self.real


def reference_of(
    train: ImageSet, test: ImageSet | None, network: FeatureNetwork, split: str, num: int | None, told: Told = silent
) -> Reference:
    """The reference from a data set.

    Args:
        train: the images on which generators are trained.
        test: images on which they are not trained; None if there are none, and then the images are halved.
        network: the feature network.
        split: test or train; without a test split also whole, which leaves no other images.
        num: number of images to generate; None: as many as `real` has, up to 10,000.
        told: called with the progress of the feature extraction.

    Raises:
        BadInput: there are too few images, or no such split.
    """
    refuse_few(train, test, split, num)
    if split == "whole":
        order = shuffled(train, "halves")
        return Reference(split, extract_kept(train, order, network, told), None, num or min(len(order), KEPT), None)
    if test is None:
        order = shuffled(train, "halves")
        half = len(order) // 2
        count = min(half, KEPT) if num is None else num
        real, other = order[:half], order[half : half + min(count, half)]
        seen = [extract_kept(train, rows, network, told) for rows in (real, other)]
        return Reference("half", seen[0], seen[1], count, None)
    ours, theirs = (test, train) if split == "test" else (train, test)
    count = min(len(ours.pixels), KEPT) if num is None else num
    real, other = shuffled(ours, "reference"), shuffled(theirs, "other")[:count]
    seen = [extract_kept(images, rows, network, told) for images, rows in ((ours, real), (theirs, other))]
    return Reference(split, seen[0], seen[1], count, "other" if split == "test" else "real")


def refuse_few(train: ImageSet, test: ImageSet | None, split: str, num: int | None) -> None:
    """Raises BadInput if there is no such split, or too few real or generated images."""
    if split not in ("test", "train", "whole"):
        raise BadInput(f"split={split}: choose from test, train")
    if split == "whole" and test is not None:
        raise BadInput("--whole: these data have a test split, all of which is measured against; leave it out")
    if test is None and split != "whole" and len(train.pixels) < 40:
        raise BadInput(
            f"{len(train.pixels)} real images: too few, as one half is measured against; it takes at least 40 "
            "(`ganctl evaluate --whole`: 20)"
        )
    real = test if test is not None and split == "test" else train
    if len(real.pixels) < 20:
        raise BadInput(f"{len(real.pixels)} real images: too few to measure against; it takes at least 20")
    if num is not None and num < 20:
        raise BadInput(f"num={num}: too few to measure; it takes at least 20 images")
