"""Measurements of the generator during training: modes, distance to the data, metrics and gradient evidence.

Each measure is a hook that adds scalars to a logged step before they are written. It draws from random streams of its
own, so that measuring never affects training.
"""

import math
from abc import ABC, abstractmethod

import torch

from ganctl.data import Density, scaled
from ganctl.evaluation import Evaluator
from ganctl.games import Batch
from ganctl.metrics import directions, diversity, mode_coverage, projected, sorted_distance
from ganctl.numerics.streams import derive
from ganctl.training.experiment import Experiment
from ganctl.training.loop import Training

CHUNK = 250  # samples generated at once, which bounds the memory that large networks need


class Measure(ABC):
    """A hook that adds scalars to the rows of some logged steps.

    Args:
        experiment: the experiment to measure.
        every: interval between measurements in steps; each is done at the next logged step. The first and the last step
            are measured too.
        log_every: interval between logged steps.
    """

    def __init__(self, experiment: Experiment, every: int, log_every: int) -> None:
        self.experiment = experiment
        self.every = every
        # The next measurement after the last logged step, as if the run had never stopped.
        step = experiment.training.step
        logged = step // log_every * log_every
        self.next = (logged // every + 1) * every if step else 0

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        """Adds the measured scalars to those of the step, if a measurement is due."""
        if scalars is None or (training.step < self.next and training.step != self.experiment.total_steps):
            return
        self.next = (training.step // self.every + 1) * self.every
        # Numbers that are not finite are left out; the loop raises NotFinite at the next logged step.
        scalars |= {tag: value for tag, value in self.measure(training).items() if math.isfinite(value)}

    @abstractmethod
    def measure(self, training: Training) -> dict[str, float]:
        """Measures the scalars of the current step, by tag."""


class Modes(Measure):
    """The modes of a density that the generator covers: `modes/...`."""

    COUNT = 2500  # samples, as in Lin et al. 2018 (PacGAN, arXiv:1712.04086, section 4.1)

    def measure(self, training: Training) -> dict[str, float]:
        """Number of covered modes, share of high-quality samples, and divergence from equal shares of the modes."""
        density = self.experiment.dataset
        assert isinstance(density, Density)
        points = self.experiment.draw_samples(self.COUNT, training.streams.fresh("sampling", "modes"))
        found = mode_coverage(points, density.centers, density.deviation)
        return {f"modes/{name}": value for name, value in found.items()}


class Quality(Measure):
    """The distance of generated samples to real ones, and the diversity of generated samples: `quality/...`.

    The real samples and the directions are the same for every seed and every arm. To choose the best checkpoint,
    `selection/...` measures the distance between other generated and other real samples.

    Args:
        select: whether to measure `selection/...` too.
    """

    COUNT = 2000  # generated samples, and real ones; at most half of the data set
    DIRECTIONS = 256
    PAIRED = 256  # samples whose mutual distances are averaged

    def __init__(self, experiment: Experiment, every: int, log_every: int, select: bool) -> None:
        super().__init__(experiment, every, log_every)
        real = [scaled(drawn, experiment.value_range).data for drawn in experiment.dataset.reference(self.COUNT)]
        self.count = len(real[0])
        generator = torch.Generator().manual_seed(derive(0, "evaluation", "directions"))
        self.along = directions(real[0][0].numel(), self.DIRECTIONS, generator)
        self.splits = {"quality": projected(real[0], self.along), "selection": projected(real[1], self.along)}
        self.floor = sorted_distance(*self.splits.values())
        self.real = real[0][: self.PAIRED]
        if not select:
            del self.splits["selection"]

    def measure(self, training: Training) -> dict[str, float]:
        """The sliced Wasserstein distance to real samples, and the diversity."""
        found = {}
        for split, sorted_real in self.splits.items():
            stream = training.streams.fresh("evaluation", split)
            sizes = [CHUNK] * (self.count // CHUNK) + [self.count % CHUNK]
            samples = torch.cat([self.experiment.draw_samples(size, stream) for size in sizes if size])
            found[f"{split}/sliced_wasserstein"] = sorted_distance(projected(samples, self.along), sorted_real)
            if split == "quality" and self.count > 1:
                found["quality/diversity"] = diversity(samples[: self.PAIRED], self.real)
        return found


class Evaluations(Measure):
    """The metrics of `ganctl evaluate` during training: `metric/...`, with the same noise and the same real samples.

    Args:
        evaluator: the evaluator, which uses one protocol for the whole run.
    """

    def __init__(self, experiment: Experiment, evaluator: Evaluator, every: int, log_every: int) -> None:
        super().__init__(experiment, every, log_every)
        self.evaluator = evaluator
        self.next = self.next or every  # the first step is not measured: metrics of untrained networks are useless

    def measure(self, training: Training) -> dict[str, float]:
        """The values of the metrics, without their errors, which only a final evaluation needs."""
        del training
        experiment = self.experiment
        found = self.evaluator.evaluate(
            experiment.draw_measured, experiment.weights, errors=False, own=experiment.own_figures
        )
        return {f"metric/{name}": estimate.value for name, estimate in found.estimates.items()}


class Evidence(Measure):
    """The generator's gradient under each form of J(G) at the same weights: `evidence/...`, if the game has a probe."""

    COUNT = 128  # real samples and generated samples, from the same noise at every measurement

    def __init__(self, experiment: Experiment, every: int, log_every: int) -> None:
        super().__init__(experiment, every, log_every)
        real = scaled(experiment.dataset.reference(self.COUNT)[0], experiment.value_range)
        self.batch = Batch(real.to(experiment.training.streams.device))

    def measure(self, training: Training) -> dict[str, float]:
        """The scalars of the game's probe; none if it measures nothing."""
        if len(self.batch.real) < 2:  # batch norm needs two samples, and a small data set may have only one
            return {}
        found = training.game.probe(self.batch, training.streams.fresh("evaluation", "probe"))
        if not found:
            return {}
        return dict(zip(found, torch.stack([*found.values()]).tolist(), strict=True))
