"""Measures the images of many generators by one protocol. Features of the real images are computed only once."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ganctl.data import ImageSet, Samples
from ganctl.errors import BadInput
from ganctl.evaluation.extraction import CHUNK, Extracted, extract
from ganctl.evaluation.features import FeatureNetwork, Request, feature_network
from ganctl.evaluation.found import FORM, Draw, Evaluation, Own
from ganctl.evaluation.own import Rules, asked, unsaid
from ganctl.evaluation.protocol import measuring_versions
from ganctl.evaluation.reference import reference_of, refuse_few
from ganctl.evaluation.scores import absent, blind, rows_of, unknown
from ganctl.evaluation.sides import BALL, MANIFOLD, Metric, Sides
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
        game: of the generators, which may have metrics besides; None: there is none.
        told: called with what is being done, now and while it measures.

    Raises:
        BadInput: a metric or the network does not apply to these images.
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
        game: Rules | None = None,
        told: Told = silent,
    ) -> None:
        self.told = told
        knows, labelled = test is not None and seen, test is not None and test.labels is not None
        kinds = (test if test is not None and split == "test" else train).labels is not None
        # Wrong requests are refused before a network is trained for them.
        refuse_few(train, test, split, num)
        rows = rows_of(game)
        for name in metrics:
            if name not in rows:
                raise BadInput(f"metrics={name}: {absent(name, rows)}")
            _refuse(name, unknown(name, rows[name], knows, labelled, kinds))
        self.network: FeatureNetwork = feature_network(features, Request(train, test, weights, device, told))
        for name in metrics:
            _refuse(name, blind(name, rows[name], self.network))
        self.metrics = [*metrics] or [
            name
            for name, row in rows.items()
            if not (row.trains or unknown(name, row, knows, labelled, kinds) or blind(name, row, self.network))
        ]
        self.rows: Mapping[str, Metric] = {name: rows[name] for name in self.metrics}
        self.reference = reference_of(train, test, self.network, split, num, told)
        self.num, self.seed, self.seen = self.reference.num, seed, seen
        measured_on = test if self.reference.split == "test" else train
        assert measured_on is not None
        self.fingerprint = measured_on.fingerprint
        self.other_fingerprint = (test if test is not None and measured_on is train else train).fingerprint
        self._floors: dict[str, float] | None = None

    def protocol(self, weights: str) -> dict[str, Any]:
        """How a generator with those weights (averaged, last, none) is measured."""
        codes = max((row.codes for row in self.rows.values()), default=0)
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
            **({"num_codes": min(codes, self.reference.real.count)} if codes else {}),
        }  # fmt: skip

    def evaluate(
        self,
        draw: Draw,
        weights: str,
        errors: bool = True,
        own: Own | None = None,
        rivals: Mapping[str, Draw] = MappingProxyType({}),
    ) -> Evaluation:
        """Draws images and measures them.

        Args:
            draw: generates the images.
            weights: the generator's weights: averaged, last or none.
            errors: whether to compute standard errors, floors and pictures.
            own: applies the game's own networks to real images, for the metrics that need them.
            rivals: by name, other generators whose images are measured too, without errors.
        """
        fake = self._extracted(draw, "generated images")
        sides = self._sides(fake, errors, self.seed)
        if own is not None and any(row.own for row in self.rows.values()):
            self.told("what the game's own networks say")
            sides.own = self._own(own)
        estimates = {}
        for place, (name, row) in enumerate(self.rows.items(), 1):
            self.told(counted(name, place, len(self.rows)))
            estimates[name] = row.compute(sides)
        warnings = self._warnings() + unsaid({name: estimates[name] for name, row in self.rows.items() if row.own})
        found = Evaluation(estimates, {}, self.protocol(weights), warnings, self.rows)
        for name, other in rivals.items() if errors else ():
            found.rivals[name] = self._rival(name, other, sides.own)
        if errors:
            found.floors = {**self.floors()}
            self.told("nearest neighbours")
            found.pictures = self._pictures(fake)
            for name, row in self.rows.items():
                if row.ceiling and self.reference.split == "half":  # the classifier has learnt these very images
                    found.floors[name] = math.nan
                if row.floor is not None:
                    found.floors[name] = row.floor(sides)
                if row.table is not None:
                    found.classes |= row.table(sides)
        return found

    def _own(self, own: Own) -> dict[str, Tensor]:
        """The output of the game's networks on held-out images, or on the reference images if none are known."""
        known = self.reference.trained_on is not None and self.seen
        images = self.reference.held_out if known else self.reference.real
        return asked(own, images.pixels, images.kinds, self.seed)

    def _rival(self, name: str, draw: Draw, own: Mapping[str, Tensor]) -> dict[str, float]:
        """The values of the metrics for the images of a rival; nan for what is not known of it."""
        prefix = f"{name}/"
        sides = self._sides(self._extracted(draw, f"images of {name}"), errors=False, seed=self.seed)
        sides.own = {key.removeprefix(prefix): values for key, values in own.items() if key.startswith(prefix)}
        measured = {metric: row for metric, row in self.rows.items() if not row.trains}
        return {
            metric: math.nan if row.own and not sides.own else row.compute(sides).value
            for metric, row in measured.items()
        }

    def _extracted(self, draw: Draw, what: str) -> Extracted:
        """The features of generated images, the same noise every time."""
        stream = torch.Generator().manual_seed(derive(self.seed, "evaluation", "samples"))
        return extract(self._chunks(draw, stream), self.num, self.network, told=self.told, what=what)

    def _chunks(self, draw: Draw, stream: torch.Generator) -> Iterator[Samples]:
        for start in range(0, self.num, CHUNK):
            yield draw(min(CHUNK, self.num - start), stream)

    def _sides(self, fake: Extracted, errors: bool, seed: int) -> Sides:
        known = self.reference.trained_on is not None
        train = self.reference.train if known else None
        held_out = self.reference.held_out if known else None
        return Sides(fake, self.reference.real, train, held_out, self.network, errors, seed)

    def floors(self) -> dict[str, float]:
        """{metric: value} of real images of the other split, as many as are generated; empty if there are none."""
        if self.reference.other is None:
            return {}
        if self._floors is None:
            sides = self._sides(self.reference.other, errors=False, seed=0)

            def make() -> dict[str, Tensor]:
                found = {}
                for place, name in enumerate(measured, 1):
                    self.told(counted(f"{name} of real images", place, len(measured)))
                    found[name] = torch.tensor(self.rows[name].compute(sides).value, dtype=torch.float64)
                return found

            measured = [name for name, row in self.rows.items() if not row.own]
            same = {key: value for key, value in self.protocol("none").items() if key != "seed"}
            name = f"floor-{cache.key(same, measured, cache.digest({'rows': self.reference.other.rows}))}"
            self._floors = {name: float(value) for name, value in cache.stored(name, make).items()}
        return self._floors

    def _warnings(self) -> list[str]:
        """What a reader of the numbers must know."""
        warns = dict.fromkeys(row.warn for row in self.rows.values() if row.warn is not None)
        told = [warn(self.reference, self.num, self.network.dimensions) for warn in warns]
        found = [words for words in told if words is not None]
        if self.network.name == "pixels" and self.reference.real.pixels.shape[1] == 3:
            found.append(
                "measured in pixels, which prefer blurred photographs to sharp ones: their precision and density are "
                "above those of real ones; use --features inception, or give real images in a folder for each class"
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
        """Rows of images: generated ones, their nearest training images, their nearest held-out ones if known."""
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
