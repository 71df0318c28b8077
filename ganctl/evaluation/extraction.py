"""Computes the features of images in chunks, and everything else that metrics need from the images."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ganctl.data import ImageSet, Samples
from ganctl.errors import RunFailed
from ganctl.evaluation.features import FeatureNetwork
from ganctl.evaluation.telling import Told, counted, silent
from ganctl.metrics import Gaussian, Moments
from ganctl.numerics.streams import derive
from ganctl.store import cache

KEPT = 10_000  # number of samples whose features are kept; the sums for the Fréchet distance are over all samples
CHUNK = 500


@dataclass
class Extracted:
    """The features of a set of images, and everything else that metrics need.

    Attributes:
        count: number of images.
        moments: sums of the features.
        rows: features of the first 10,000 images, float32 [n, D].
        probabilities: class probabilities of each image, float32 [count, K]; None if the network has no classes.
        pixels: the first 10,000 images, uint8 [n, C, H, W].
        kinds: the true class of each real image, or the requested class or code of each generated one, int64 [count];
            None if unknown.
    """

    count: int
    moments: Moments
    rows: Tensor
    probabilities: Tensor | None
    pixels: Tensor
    kinds: Tensor | None = None

    @cached_property
    def gaussian(self) -> Gaussian:
        """Mean and covariance of the features of all images."""
        return replace(self.moments.gaussian(), samples=self.rows if len(self.rows) == self.count else None)

    @cached_property
    def classes(self) -> Tensor:
        """The most likely class of each image, int64 [count]."""
        assert self.probabilities is not None
        return self.probabilities.argmax(dim=1)

    def rows_of(self, kind: int) -> Tensor:
        """The features of the images whose true or requested class is `kind`, [n, D]."""
        assert self.kinds is not None
        return self.rows[self.kinds[: len(self.rows)] == kind]


def extract(
    chunks: Iterable[Samples],
    total: int,
    network: FeatureNetwork,
    grouped: bool = True,
    told: Told = silent,
    what: str = "images",
) -> Extracted:
    """Computes the features of images that arrive in chunks.

    Args:
        chunks: the images, uint8 [n, C, H, W], in random order.
        total: number of all images.
        network: the feature network.
        grouped: whether to keep the sums of several groups of images (see `Moments`).
        told: called with the number of images done so far.
        what: what these images are, for `told`.

    Raises:
        RunFailed: a feature is not finite.
    """
    sums = Moments(network.dimensions, total, grouped)
    rows, probabilities, kept, kinds = [], [], [], []
    told(counted(what, 0, total))
    for chunk in chunks:
        pixels, chosen = chunk.data, chunk.labels
        features, classes = network.look(pixels)
        features = features.float().cpu()
        if not bool(torch.isfinite(features).all()):
            raise RunFailed(f"features={network.name}: gave features that are not finite")
        room = max(0, KEPT - sums.seen)
        sums.add(features)
        if room:
            rows.append(features[:room])
            kept.append(pixels[:room].cpu())
        if classes is not None:
            probabilities.append(classes.float().cpu())
        if chosen is not None:
            kinds.append(chosen.cpu())
        told(counted(what, sums.seen, total))
    return Extracted(
        sums.seen,
        sums,
        torch.cat(rows),
        torch.cat(probabilities) if probabilities else None,
        torch.cat(kept),
        torch.cat(kinds) if kinds else None,
    )


def shuffled(images: ImageSet, name: str) -> Tensor:
    """The indices of the images in a random order that depends only on `name`, int64 [N]."""
    stream = torch.Generator().manual_seed(derive(0, "evaluation", "order", name))
    return torch.randperm(len(images.pixels), generator=stream)


def extract_kept(images: ImageSet, rows: Tensor, network: FeatureNetwork, told: Told = silent) -> Extracted:
    """The features of the real images at the indices `rows`, from the cache if this network has seen them before."""
    pixels = images.pixels.cpu()

    def make() -> dict[str, Tensor]:
        chunks = (Samples(pixels[part]) for part in rows.split(CHUNK))
        seen = extract(chunks, len(rows), network, grouped=False, told=told, what="real images")
        sums = seen.moments
        found = {"origin": sums.origin, "sums": sums.sums, "products": sums.products, "rows": seen.rows}
        return found if seen.probabilities is None else found | {"probabilities": seen.probabilities}

    chosen = cache.digest({"rows": rows})
    tensors = cache.stored(
        f"evaluation/features-{cache.key(images.fingerprint, chosen, network.name, network.digest)}", make
    )
    sums = Moments(network.dimensions, len(rows), grouped=False)
    sums.origin, sums.sums, sums.products = tensors["origin"], tensors["sums"], tensors["products"]
    sums.counts, sums.seen = torch.tensor([float(len(rows))], dtype=torch.float64), len(rows)
    kinds = None if images.labels is None else images.labels.cpu()[rows]
    return Extracted(len(rows), sums, tensors["rows"], tensors.get("probabilities"), pixels[rows[:KEPT]], kinds)
