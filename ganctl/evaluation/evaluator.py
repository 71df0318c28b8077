"""One protocol for many generators: everything real is looked at once, and each generator's samples in turn."""

import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganctl.data import ImageSet, Samples
from ganctl.errors import BadInput
from ganctl.evaluation.controlled import COMPARED, NAMED, OWN, TESTED, class_table, prior_floor
from ganctl.evaluation.extraction import CHUNK, Extracted, extract
from ganctl.evaluation.features import FeatureNetwork, Request, feature_network
from ganctl.evaluation.found import FORM, Draw, Evaluation, Own
from ganctl.evaluation.protocol import measuring_versions
from ganctl.evaluation.reference import reference_of, refuse_few
from ganctl.evaluation.scores import METRICS, blind, unknown
from ganctl.evaluation.sides import BALL, MANIFOLD, Sides
from ganctl.evaluation.telling import Told, counted, silent
from ganctl.metrics import nearest
from ganctl.numerics.streams import derive
from ganctl.store import cache

CPU = torch.device("cpu")


def _refuse(name: str, reason: str | None) -> None:
    if reason:
        raise BadInput(f"metrics={name}: {reason}; leave it out")


class ImageEvaluator:
    """Measures images in the features of a network.

    Args:
        train: what generators are trained on.
        test: what they are not; None where there is no test split.
        metrics: names; empty: all that train nothing and can be had.
        features: name of the network, or auto.
        split: test or train: what to measure against; whole: all images, where there is no test split.
        num: images to generate; None: as many as the split has, up to 10,000.
        weights: file of the network's weights, where it needs one.
        seed: of the noise that images are generated from.
        device: where the network looks.
        seen: whether the generators were trained on `train`; without that, nothing is known of what they copy.
        offers: metrics that the generators' game has besides.
        told: called with what is being done, now and while it measures.

    Raises:
        BadInput: a metric or a network that cannot be had of these images.
    """

    def __init__(
        self,
        train: ImageSet,
        test: ImageSet | None,
        metrics: Sequence[str],
        features: str = "auto",
        split: str = "test",
        num: int | None = None,
        weights: Path | None = None,
        seed: int = 0,
        device: torch.device = CPU,
        seen: bool = True,
        offers: Collection[str] = (),
        told: Told = silent,
    ) -> None:
        self.told = told
        knows, labelled = test is not None and seen, test is not None and test.labels is not None
        kinds = (test if test is not None and split == "test" else train).labels is not None
        # What cannot be is refused before a network is trained for it.
        refuse_few(train, test, split, num)
        for name in metrics:
            if name not in METRICS:
                raise BadInput(f"metrics={name}: no such metric of images; choose from {', '.join(METRICS)}")
            _refuse(name, unknown(name, knows, labelled, offers, kinds))
        self.network: FeatureNetwork = feature_network(features, Request(train, test, weights, device, told))
        for name in metrics:
            _refuse(name, blind(name, self.network))
        self.metrics = [*metrics] or [
            name
            for name, metric in METRICS.items()
            if not (metric.trains or unknown(name, knows, labelled, offers, kinds) or blind(name, self.network))
        ]
        self.reference = reference_of(train, test, self.network, split, num, told)
        self.num, self.seed, self.seen = self.reference.num, seed, seen
        measured_on = test if self.reference.split == "test" else train
        assert measured_on is not None
        self.fingerprint = measured_on.fingerprint
        self.other_fingerprint = (test if test is not None and measured_on is train else train).fingerprint
        self._floors: dict[str, float] | None = None

    def protocol(self, weights: str) -> dict[str, Any]:
        """How a generator with those weights (averaged, last, none) is measured."""
        return {
            "features": {
                "name": self.network.name, "sha256": self.network.digest, "dimensions": self.network.dimensions,
                **self.network.about,
            },
            "reference": self.fingerprint,
            "other": self.other_fingerprint,
            "split": self.reference.split,
            "num_real": self.reference.real.count,
            "num_fake": self.num,
            "num_floor": 0 if self.reference.other is None else self.reference.other.count,
            "num_neighbours": min(self.num, len(self.reference.real.rows)),
            "neighbours": {"precision_recall": MANIFOLD, "density_coverage": BALL},
            "dtype": "float64",
            "weights": weights,
            "seed": self.seed,
            "form": FORM,
            "versions": measuring_versions(),
            **({"num_codes": min(COMPARED, self.reference.real.count)} if {*TESTED} & {*self.metrics} else {}),
        }  # fmt: skip

    def evaluate(self, draw: Draw, weights: str, errors: bool = True, own: Own | None = None) -> Evaluation:
        """Draws the images and measures them.

        Args:
            draw: makes them.
            weights: which they come from.
            errors: whether standard errors, floors and pictures are wanted.
            own: what the game's own networks say of held-out images, where a metric is of that.
        """
        stream = torch.Generator().manual_seed(derive(self.seed, "evaluation", "samples"))
        fake = extract(self._chunks(draw, stream), self.num, self.network, told=self.told, what="generated images")
        sides = self._sides(fake, errors, self.seed)
        if own is not None and {*self.metrics} & {*OWN}:
            self.told("what the game's own networks say")
            sides.own = self._own(own)
        estimates = {}
        for place, name in enumerate(self.metrics, 1):
            self.told(counted(name, place, len(self.metrics)))
            estimates[name] = METRICS[name].compute(sides)
        found = Evaluation(estimates, {}, self.protocol(weights), self._warnings())
        if errors:
            found.floors = {**self.floors()}
            self.told("nearest neighbours")
            found.pictures = self._pictures(fake)
            if self.reference.split == "half":  # the classifier has learnt these very images: no floor but a ceiling
                found.floors |= dict.fromkeys({*NAMED} & {*self.metrics}, math.nan)
            if "prior_distance" in self.metrics:
                found.floors["prior_distance"] = prior_floor(sides)
            if "class_fid" in self.metrics:
                found.classes = class_table(sides)
        return found

    def _own(self, own: Own) -> dict[str, Tensor]:
        """What the game's networks say of the images that the generator has not seen, or of those it is measured by."""
        known = self.reference.trained_on is not None and self.seen
        images = self.reference.held_out if known else self.reference.real
        stream = torch.Generator().manual_seed(derive(self.seed, "evaluation", "own"))
        places = torch.arange(len(images.pixels)).split(CHUNK)
        parts = [own(images.pixels[p], None if images.kinds is None else images.kinds[p], stream) for p in places]
        return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}

    def _chunks(self, draw: Draw, stream: torch.Generator) -> Iterator[Samples]:
        for start in range(0, self.num, CHUNK):
            yield draw(min(CHUNK, self.num - start), stream)

    def _sides(self, fake: Extracted, errors: bool, seed: int) -> Sides:
        known = self.reference.trained_on is not None
        train = self.reference.train if known else None
        held_out = self.reference.held_out if known else None
        return Sides(fake, self.reference.real, train, held_out, self.network, errors, seed)

    def floors(self) -> dict[str, float]:
        """What real images come to: those of the other split, as many as are generated; {} where there are none."""
        if self.reference.other is None:
            return {}
        if self._floors is None:
            sides = self._sides(self.reference.other, errors=False, seed=0)

            def make() -> dict[str, Tensor]:
                found = {}
                for place, name in enumerate(measured, 1):
                    self.told(counted(f"{name} of real images", place, len(measured)))
                    found[name] = torch.tensor(METRICS[name].compute(sides).value, dtype=torch.float64)
                return found

            measured = [name for name in self.metrics if name not in OWN]
            same = {key: value for key, value in self.protocol("none").items() if key != "seed"}
            name = f"floor-{cache.key(same, measured, cache.digest({'rows': self.reference.other.rows}))}"
            self._floors = {name: float(value) for name, value in cache.stored(name, make).items()}
        return self._floors

    def _warnings(self) -> list[str]:
        """What a reader of the numbers must know."""
        real, dimensions = self.reference.real.count, self.network.dimensions
        found = []
        if min(self.num, real) <= dimensions and {"fid", "fid_infinity"} & {*self.metrics}:
            found.append(
                f"{self.num:,} generated and {real:,} real images are too few for {dimensions} features: fid takes "
                f"more than {dimensions} of each, and deserves trust from ten times as many on; look at kid"
            )
        if self.network.name == "pixels" and self.reference.real.pixels.shape[1] == 3:
            found.append(
                "measured in pixels, which prefer blurred photographs to sharp ones: their precision and density are "
                "above those of real ones; use --features inception, or give real images in a folder for each class"
            )
        if "class_fid" in self.metrics and self.reference.real.kinds is not None:
            shown = self.reference.real.kinds[: len(self.reference.real.rows)]
            kinds = int(shown.max()) + 1
            fewest = min(int(shown.bincount().min()), min(self.num, len(shown)) // kinds)
            if fewest <= dimensions:
                found.append(
                    f"a class has about {fewest:,} images, too few for {dimensions} features: class_fid deserves trust "
                    "from ten times as many on"
                )
        known = "; an overfitted generator that was trained on them looks good" if self.seen else ""
        if self.reference.split == "half":
            found.append(f"these images have no test split, so one half of them is measured against{known}")
        if self.reference.split == "whole":
            found.append(f"all real images are measured against, so there is no floor{known}")
        if self.reference.split == "train" and self.seen:
            found.append("measured against the training images, so an overfitted generator looks good")
        if self.reference.other is not None and self.reference.other.count < self.num:
            found.append(
                f"the floor is of {self.reference.other.count:,} real images, fewer than the {self.num:,} generated "
                "ones, so it is too high"
            )
        return found

    def _pictures(self, fake: Extracted) -> dict[str, list[Tensor]]:
        """Rows of images: generated ones, the nearest real (training) images, the nearest held-out ones if known."""
        known = self.reference.trained_on is not None and self.seen
        train, held_out = (self.reference.train, self.reference.held_out) if known else (self.reference.real, None)
        apart, rows = nearest(fake.rows, train.rows)
        found = {}
        for title, chosen in (("first", torch.arange(min(12, len(apart)))), ("closest", apart.argsort()[:12])):
            strips = [fake.pixels[chosen], train.pixels[rows[chosen]]]
            if held_out is not None:
                strips.append(held_out.pixels[nearest(fake.rows[chosen], held_out.rows)[1]])
            found[title] = strips
        return found
