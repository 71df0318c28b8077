"""A training with its outputs: samples, pictures, and results of its networks on real images."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganctl.data import Dataset, Samples, kind_of, pictures, scaled
from ganctl.errors import NotFinite
from ganctl.games import Inputs
from ganctl.training.loop import Training


@dataclass
class Experiment:
    """A training, with everything needed to sample from it and to draw its pictures.

    Attributes:
        training: the training, ready for its next step.
        dataset: the training data.
        total_steps: the budget, in steps.
        log_odds: whether the sigmoid of the discriminator's logit is a probability.
        papers: sources of the formulas of its loss and its penalties.
    """

    training: Training
    dataset: Dataset
    total_steps: int
    log_odds: bool
    papers: dict[str, str]

    def draw_samples(self, count: int, noise: torch.Generator) -> Tensor:
        """`count` generated samples on the CPU, from the averaged weights if there are any."""
        return self.training.sample(count, noise).float().cpu()

    def make(self, inputs: Inputs) -> Tensor:
        """The samples generated from `inputs`, on the CPU, from the averaged weights if there are any."""
        return self.applied(lambda: self.training.game.make(inputs))

    def applied(self, compute: Callable[[], Tensor]) -> Tensor:
        """What `compute` makes by the game's networks, on the CPU, from the averaged weights if there are any."""
        with self._as_sampled():
            return compute().float().cpu()

    def compare(self, real: Samples) -> dict[str, Tensor]:
        """Samples that the game computes from real samples (as stored), by label, on the CPU; see `Game.compare`."""
        real = scaled(real.to(self.training.streams.device), self.value_range)
        with self._as_sampled():
            return {name: samples.float().cpu() for name, samples in self.training.game.compare(real).items()}

    def draw_inputs(
        self, count: int, noise: torch.Generator, rows: Tensor, code: str = "", values: Tensor | None = None
    ) -> Inputs:
        """Inputs of N samples, some of which may share a latent vector.

        Args:
            count: number of inputs to draw.
            noise: random numbers.
            rows: for each sample, the index of its input among those drawn, int64 [N].
            code: name of a code to set for each sample; unused without `values`.
            values: values of that code: classes int64 [N], or numbers float32 [N].
        """
        game = self.training.game
        inputs = game.draw(count, noise).rows(rows)
        if values is None:
            return inputs
        classes, values = game.codes[code].classes, values.to(inputs.device)
        return inputs.with_code(code, one_hot(values, classes).float() if classes else values.float()[:, None])

    def draw_shown(self, noise: torch.Generator) -> tuple[Tensor, Inputs | None]:
        """The samples for a picture of the run, on the CPU, and their inputs if the game has codes or input images.

        Images of a game with classes are arranged with one class per column and one latent vector per row.
        """
        if self.from_images:
            inputs = self.training.game.draw(self.picture_count, noise)
            return self.make(inputs), inputs
        if not self.training.game.codes:
            return self.draw_samples(self.picture_count, noise), None
        place = torch.arange(self.picture_count)
        if self.category is None or kind_of(self.dataset) == "points":
            inputs = self.draw_inputs(len(place), noise, place)
        else:
            row, column = place // self.picture_columns, place % self.picture_columns
            each = (
                self.picture_columns // self._shown_classes
            )  # latent vectors per row, more than one if there are few classes
            rows, classes = row * each + column % each, column // each
            inputs = self.draw_inputs(int(rows.max()) + 1, noise, rows, self.category, classes)
        return self.make(inputs), inputs

    @property
    def category(self) -> str | None:
        """The name of the game's first code that is a class; None if it has none."""
        return next((name for name, code in self.training.game.codes.items() if code.classes), None)

    @property
    def _shown_classes(self) -> int:
        return min(16, self.training.game.codes[self.category].classes) if self.category else 1

    @contextmanager
    def _as_sampled(self) -> Iterator[None]:
        """Within this context the networks hold the averaged weights, if any; drawing changes no random stream."""
        average = self.training.average
        with self.training.streams.preserved(), average.in_place() if average else nullcontext():
            yield

    @property
    def from_images(self) -> bool:
        """Whether samples are generated from images, which pictures then show beside them."""
        return self.training.game.draws_from == "held_out" and kind_of(self.dataset) == "images"

    @property
    def shown_beside(self) -> list[str]:
        """The names of the images that stand side by side in a picture of the run; empty if samples stand alone."""
        if not self.from_images:
            return []
        return _in_order(self.training.game.draw(1, self.training.streams.fresh("sampling")))

    @property
    def rivals(self) -> dict[str, Callable[[int, torch.Generator], Samples]]:
        """For each rival of the generator, by name, a function that draws its samples as `draw_measured` does."""
        return {name: partial(self.draw_measured, rival=name) for name in self.training.game.rivals}

    def draw_measured(self, count: int, noise: torch.Generator, rival: str | None = None) -> Samples:
        """`count` generated samples as they would be saved: images uint8 [N, C, H, W], or points float32 [N, 2].

        Their labels are the classes with which they were generated, if the game has any.

        Args:
            count: number of samples.
            noise: random numbers.
            rival: name of the rival that generates them; None: the game's generator.

        Raises:
            NotFinite: an image has pixels that are not finite.
        """
        inputs = self.training.game.draw(count, noise)
        if rival is None:
            samples = self.make(inputs)
        else:
            with torch.no_grad():
                samples = self.training.game.rivals[rival](inputs).float().cpu()
        labels = inputs.codes[self.category].argmax(dim=1) if self.category else inputs.labels
        labels = None if labels is None else labels.cpu()
        if samples.ndim == 2:
            return Samples(samples, labels)
        if not bool(torch.isfinite(samples).all()):
            raise NotFinite(
                f"step {self.training.step}: the generator's samples are not finite; nothing can be measured"
            )
        pixels = torch.from_numpy(pictures.to_pixels(samples, self.value_range)).permute(0, 3, 1, 2).contiguous()
        return Samples(pixels, labels)

    def own_figures(self, pixels: Tensor, labels: Tensor | None, noise: torch.Generator) -> dict[str, Tensor]:
        """What the game's own networks say of real images uint8 [N, C, H, W], averaged where there is an average."""
        real = scaled(Samples(pixels, labels).to(self.training.streams.device), self.value_range)
        with self._as_sampled():
            return self.training.game.own_figures(real, noise)

    @property
    def weights(self) -> str:
        """The weights that are used for sampling: "averaged" or "last"."""
        return "averaged" if self.training.average else "last"

    def picture(self, samples: Tensor, columns: int, title: str, inputs: Inputs | None = None) -> np.ndarray:
        """A grid of images, or a scatter plot of points over the true density; uint8 [height, width, 3].

        Points are coloured by class if `inputs`, from which they were generated, hold a class. Images that were
        generated from images have those on their left, and the right ones on their right if they are known.
        """
        if kind_of(self.dataset) == "points":
            dataset: Any = self.dataset  # a Density, which has `draw`
            real = dataset.draw(pictures.POINT_COUNT, self.training.streams.fresh("sampling", "real"))
            shares = inputs.codes[self.category].cpu().numpy() if inputs and self.category else None
            return pictures.scatter(samples.numpy(), real.cpu().numpy(), title, shares, self.category or "")
        if inputs is None or not inputs.images:
            return pictures.grid(pictures.to_pixels(samples, self.value_range), columns)
        known = {**inputs.images, "sample": samples}
        sets = [pictures.to_pixels(known[name], self.value_range) for name in _in_order(inputs)]
        return pictures.side_by_side(sets, columns)

    @property
    def value_range(self) -> tuple[float, float]:
        """The values of black and white in the generator's output."""
        return self.training.game.value_range

    @property
    def picture_columns(self) -> int:
        """Columns of an image grid: a multiple of the number of classes shown, if there are any.

        Images that were generated from images count once together with those.
        """
        if self.from_images:
            return 3
        return self._shown_classes * max(1, 8 // self._shown_classes)

    @property
    def picture_count(self) -> int:
        """The number of samples in a picture of the run."""
        if kind_of(self.dataset) == "points":
            return pictures.POINT_COUNT
        if self.from_images:
            return pictures.BESIDE_COUNT
        return -(-pictures.GRID_COUNT // self.picture_columns) * self.picture_columns


def _in_order(inputs: Inputs) -> list[str]:
    """The images that a sample was generated from, the sample, and the right one if it is known."""
    before = [name for name in inputs.images if name != "target"]
    return [*before, "sample", *(["target"] if "target" in inputs.images else [])]
