"""What is measured of the generator while it trains: modes, distance to the data, and the evidence of its gradients.

Each measure is a hook that adds scalars to a logged step before they are written. It draws from streams of its own, so
that measuring never changes what is trained.
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

CHUNK = 250  # samples generated at once, so that memory stays small for large networks too


class Measure(ABC):
    """A hook that adds scalars to the rows of some logged steps.

    Args:
        experiment: whose training it looks at.
        every: steps between two measurements, each at the next logged step; the first and the last step have one too.
        log_every: steps between two logged ones.
    """

    def __init__(self, experiment: Experiment, every: int, log_every: int) -> None:
        self.experiment = experiment
        self.every = every
        # As if the run had never stopped: the first measurement that the last logged step left open.
        step = experiment.training.step
        logged = step // log_every * log_every
        self.next = (logged // every + 1) * every if step else 0

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        """Adds the measured scalars to those of the step, where it is time for them."""
        if scalars is None or (training.step < self.next and training.step != self.experiment.total_steps):
            return
        self.next = (training.step // self.every + 1) * self.every
        # What is not finite now is found by the loop at the next turn that is logged.
        scalars |= {tag: value for tag, value in self.measure(training).items() if math.isfinite(value)}

    @abstractmethod
    def measure(self, training: Training) -> dict[str, float]:
        """The scalars of this moment, by tag."""


class Modes(Measure):
    """The modes of a density that the generator reaches: `modes/...`."""

    COUNT = 2500  # samples, as in Lin et al. 2018 (PacGAN, arXiv:1712.04086, section 4.1)

    def measure(self, training: Training) -> dict[str, float]:
        """Covered modes, share of high-quality samples and divergence from equal shares."""
        density = self.experiment.dataset
        assert isinstance(density, Density)
        points = self.experiment.draw_samples(self.COUNT, training.streams.fresh("sampling", "modes"))
        found = mode_coverage(points, density.centers, density.deviation)
        return {f"modes/{name}": value for name, value in found.items()}


class Quality(Measure):
    """The distance of generated samples to real ones, and how diverse they are: `quality/...`.

    The real samples and the directions are the same for every seed and every arm. Where the best checkpoint is to be
    chosen, `selection/...` has the distance of other generated samples to other real ones to choose it by.

    Args:
        select: whether to measure what a checkpoint is chosen by.
    """

    COUNT = 2000  # samples on each side, or half of a smaller data set
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
        """The sliced Wasserstein distance, and the diversity."""
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
    """What `evaluate` would find at this moment: `metric/...`, of the same noise and the same real samples.

    Args:
        evaluator: by one protocol for the whole run.
    """

    def __init__(self, experiment: Experiment, evaluator: Evaluator, every: int, log_every: int) -> None:
        super().__init__(experiment, every, log_every)
        self.evaluator = evaluator
        self.next = self.next or every  # untrained networks tell nothing

    def measure(self, training: Training) -> dict[str, float]:
        """The metrics, without the errors that only a last look needs."""
        del training
        experiment = self.experiment
        found = self.evaluator.evaluate(
            experiment.draw_measured, experiment.weights, errors=False, own=experiment.own_figures
        )
        return {f"metric/{name}": estimate.value for name, estimate in found.estimates.items()}


class Evidence(Measure):
    """The generator's gradient under each form of J(G) at the same weights: `evidence/...`, where the game has it."""

    COUNT = 128  # real and generated samples, the same at every measurement

    def __init__(self, experiment: Experiment, every: int, log_every: int) -> None:
        super().__init__(experiment, every, log_every)
        real = scaled(experiment.dataset.reference(self.COUNT)[0], experiment.value_range)
        self.batch = Batch(real.to(experiment.training.streams.device))

    def measure(self, training: Training) -> dict[str, float]:
        """What the game's probe shows."""
        if len(self.batch.real) < 2:  # batch norm needs two, and a small data set may have only one left
            return {}
        found = training.game.probe(self.batch, training.streams.fresh("evaluation", "probe"))
        if not found:
            return {}
        return dict(zip(found, torch.stack([*found.values()]).tolist(), strict=True))
