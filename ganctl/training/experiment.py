"""A training and what is looked at of it: samples, pictures, and what its networks say of real images."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
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
    """A training and what its pictures need.

    Attributes:
        training: ready for its next step.
        dataset: what is real.
        total_steps: the budget, in steps.
        log_odds: whether the sigmoid of the discriminator's logit means a probability.
        papers: where the formulas of its loss and its penalty stand.
    """

    training: Training
    dataset: Dataset
    total_steps: int
    log_odds: bool
    papers: dict[str, str]

    def draw_samples(self, count: int, noise: torch.Generator) -> Tensor:
        """`count` generated samples on the CPU, from the averaged weights where there is an average."""
        return self.training.sample(count, noise).float().cpu()

    def make(self, inputs: Inputs) -> Tensor:
        """The samples of `inputs` on the CPU, from the averaged weights where there is an average."""
        with self._as_sampled():
            return self.training.game.make(inputs).float().cpu()

    def reconstruct(self, samples: Tensor) -> Tensor:
        """What an auto-encoder makes of real samples float32 [N, *shape] within `value_range`, on the CPU."""
        game: Any = self.training.game
        with self._as_sampled():
            return game.reconstruct(samples.to(self.training.streams.device)).float().cpu()

    def draw_inputs(
        self, count: int, noise: torch.Generator, rows: Tensor, code: str = "", values: Tensor | None = None
    ) -> Inputs:
        """What samples are made from, several of them from one latent vector.

        Args:
            count: how many to draw.
            noise: random numbers.
            rows: which of these each sample has, int64 [N].
            code: what each sample has of its own; empty: nothing.
            values: of that code, a class int64 [N] or a number float32 [N].
        """
        game = self.training.game
        inputs = game.draw(count, noise).rows(rows)
        if values is None:
            return inputs
        classes, values = game.codes[code].classes, values.to(inputs.device)
        return inputs.with_code(code, one_hot(values, classes).float() if classes else values.float()[:, None])

    def draw_shown(self, noise: torch.Generator) -> tuple[Tensor, Inputs | None]:
        """What a picture of the run shows: samples on the CPU, and what they were made from if that can be chosen.

        Images of a game with classes have one class a column, and one latent vector a row.
        """
        if not self.training.game.codes:
            return self.draw_samples(self.picture_count, noise), None
        place = torch.arange(self.picture_count)
        if self.category is None or kind_of(self.dataset) == "points":
            inputs = self.draw_inputs(len(place), noise, place)
        else:
            row, column = place // self.picture_columns, place % self.picture_columns
            each = self.picture_columns // self._shown_classes  # latent vectors a row, where classes are few
            rows, classes = row * each + column % each, column // each
            inputs = self.draw_inputs(int(rows.max()) + 1, noise, rows, self.category, classes)
        return self.make(inputs), inputs

    @property
    def category(self) -> str | None:
        """The game's first code that is a class; None where it has none."""
        return next((name for name, code in self.training.game.codes.items() if code.classes), None)

    @property
    def _shown_classes(self) -> int:
        return min(16, self.training.game.codes[self.category].classes) if self.category else 1

    @contextmanager
    def _as_sampled(self) -> Iterator[None]:
        """Inside, networks have their averaged weights where there are any, and what is drawn changes no stream."""
        average = self.training.average
        with self.training.streams.preserved(), average.in_place() if average else nullcontext():
            yield

    def draw_measured(self, count: int, noise: torch.Generator) -> Samples:
        """`count` samples as they would be saved: images uint8 [N, C, H, W], or points float32 [N, 2].

        With what was chosen of them, the class or the first code that names kinds.

        Raises:
            NotFinite: an image is none.
        """
        inputs = self.training.game.draw(count, noise)
        samples = self.make(inputs)
        kinds = inputs.codes[self.category].argmax(dim=1).cpu() if self.category else None
        if samples.ndim == 2:
            return Samples(samples, kinds)
        if not bool(torch.isfinite(samples).all()):
            raise NotFinite(
                f"step {self.training.step}: the generator's samples are not finite; nothing can be measured"
            )
        pixels = torch.from_numpy(pictures.to_pixels(samples, self.value_range)).permute(0, 3, 1, 2).contiguous()
        return Samples(pixels, kinds)

    def own_figures(self, pixels: Tensor, labels: Tensor | None, noise: torch.Generator) -> dict[str, Tensor]:
        """What the game's own networks say of real images uint8 [N, C, H, W], averaged where there is an average."""
        real = scaled(Samples(pixels, labels).to(self.training.streams.device), self.value_range)
        with self._as_sampled():
            return self.training.game.own_figures(real, noise)

    @property
    def weights(self) -> str:
        """Which weights samples come from: averaged or last."""
        return "averaged" if self.training.average else "last"

    def picture(self, samples: Tensor, columns: int, title: str, inputs: Inputs | None = None) -> np.ndarray:
        """A grid of images, or a scatter plot of points over the true density; uint8 [height, width, 3].

        Points have a colour a class, where `inputs`, from which they were made, say one.
        """
        if kind_of(self.dataset) == "points":
            dataset: Any = self.dataset  # a density, which can be sampled
            real = dataset.draw(pictures.POINT_COUNT, self.training.streams.fresh("sampling", "real"))
            shares = inputs.codes[self.category].cpu().numpy() if inputs and self.category else None
            return pictures.scatter(samples.numpy(), real.cpu().numpy(), title, shares, self.category or "")
        return pictures.grid(pictures.to_pixels(samples, self.value_range), columns)

    @property
    def value_range(self) -> tuple[float, float]:
        """What black and white are in the generator's output."""
        return self.training.game.value_range

    @property
    def picture_columns(self) -> int:
        """Columns of a grid of the run: a multiple of its classes, where it has any."""
        return self._shown_classes * max(1, 8 // self._shown_classes)

    @property
    def picture_count(self) -> int:
        """Samples in a picture of the run."""
        if kind_of(self.dataset) == "points":
            return pictures.POINT_COUNT
        return -(-pictures.GRID_COUNT // self.picture_columns) * self.picture_columns
