"""Which samples `ganctl sample` makes: of classes, along a code, from one latent vector to another."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganctl.errors import BadInput, printable
from ganctl.games import Inputs
from ganctl.games.priors import PRIORS
from ganctl.sampling.class_names import legend, names_of, numbers_of
from ganctl.training.experiment import Experiment

REACH = 2.0  # of a continuous code to both sides, as in figure 2 of InfoGAN (Chen et al. 2016, arXiv:1606.03657)


@dataclass(frozen=True)
class Table:
    """What samples are made from, in rows and columns.

    Attributes:
        inputs: row by row.
        columns: how many there are.
        captions: what the samples of each column have in common; empty: nothing that can be said.
        legend: which class the samples of each row or column have; empty: any, or as the numbers of rows or columns.
        mixed: whether classes are shares, between one and another.
    """

    inputs: Inputs
    columns: int
    captions: Sequence[str] = ()
    legend: str = ""
    mixed: bool = False

    def column(self, place: int) -> Inputs:
        """What the samples of a column are made from."""
        return self.inputs.rows(slice(place, None, self.columns))


def classes_of(text: str, experiment: Experiment) -> list[int]:
    """The classes that the command line names, as in cat,dog or 3,7.

    Raises:
        BadInput: the game has no labels, or one of the classes does not exist.
    """
    _labels(f"--label {text}", experiment)
    return numbers_of(text, names_of(experiment))


def _labels(flag: str, experiment: Experiment) -> int:
    codes = experiment.training.game.codes
    if "label" not in codes:
        advice = (
            f"its codes are {', '.join(codes)}: use --sweep {next(iter(codes))}"
            if codes
            else "name a run of game=cgan, projection, acgan or aae_semisupervised"
        )
        raise BadInput(f"{flag}: the samples of this run have no label; {advice}")
    return codes["label"].classes


def of_classes(experiment: Experiment, classes: Sequence[int], num: int, columns: int, noise: torch.Generator) -> Table:
    """`num` samples, as many of each of the classes, one class after the other."""
    if num < len(classes):
        raise BadInput(f"--num {num}: is less than one of each of {len(classes)} classes; use {len(classes)} or more")
    place = torch.arange(num)
    values = torch.tensor(classes)[place * len(classes) // num]
    return Table(experiment.draw_inputs(num, noise, place, "label", values), columns)


def all_classes(experiment: Experiment, latents: int, noise: torch.Generator) -> Table:
    """A row a class, a column a latent vector.

    Raises:
        BadInput: the game has no labels.
    """
    place = torch.arange(latents * _labels("--labels all", experiment))
    inputs = experiment.draw_inputs(latents, noise, place % latents, "label", place // latents)
    return Table(inputs, latents, legend=legend(names_of(experiment), "rows, from the top"))


def shown(experiment: Experiment, noise: torch.Generator) -> tuple[Tensor, Table | None]:
    """What the run's own grids show: samples, and the table that they were made from if anything can be chosen."""
    samples, inputs = experiment.draw_shown(noise)
    columns = experiment.picture_columns
    if inputs is None or experiment.category != "label":
        return samples, Table(inputs, columns) if inputs else None
    names = names_of(experiment)[:columns]
    return samples, Table(inputs, columns, legend=legend(names, "columns, from the left", columns // len(names)))


def sweep(experiment: Experiment, name: str, latents: int, steps: int, noise: torch.Generator) -> Table:
    """A row a latent vector, all else fixed; a column a category of the code, or one of `steps` numbers from -2 to 2.

    Raises:
        BadInput: the game has no such code.
    """
    codes = experiment.training.game.codes
    if name not in codes:
        known = f"choose from {', '.join(codes)}" if codes else "name a run of game=infogan, or of one with labels"
        raise BadInput(f"--sweep {name}: the samples of this run have no such code; {known}")
    classes = codes[name].classes
    values = torch.arange(classes) if classes else torch.linspace(-REACH, REACH, steps)
    place = torch.arange(latents * len(values))
    inputs = experiment.draw_inputs(latents, noise, place // len(values), name, values[place % len(values)])
    if name == "label":
        names = names_of(experiment)
        captions = [f"{name} = {printable(each)}" for each in names]
        return Table(inputs, len(values), captions, legend(names, "columns, from the left"))
    # A zero added, so that the middle is +0.00 and never -0.00.
    captions = [
        f"{name} = {value}" if classes else f"{name} = {round(value, 2) + 0.0:+.2f}" for value in values.tolist()
    ]
    return Table(inputs, len(values), captions)


def interpolation(
    experiment: Experiment, classes: Sequence[int], pairs: int, steps: int, noise: torch.Generator
) -> Table:
    """A row a pair of latent vectors, columns from the first to the second.

    Args:
        classes: of the first and of the second, or of both; empty: each has its own.

    Raises:
        BadInput: more than two classes.
    """
    if len(classes) > 2:
        raise BadInput(f"--label: --interpolate goes from one class to one other, and not to {len(classes)}; name 2")
    ends = torch.arange(2 * pairs)
    values = torch.tensor([classes[0], classes[-1]]).repeat_interleave(pairs) if classes else None
    drawn = experiment.draw_inputs(2 * pairs, noise, ends, "label", values)
    if drawn.latent is None:
        raise BadInput("--interpolate: the samples of this run have no latent vector; leave it out")
    # Only Gaussian vectors lie near a sphere, on which an arc stays.
    gaussian = getattr(experiment.training.game, "prior", PRIORS["gaussian"]) == PRIORS["gaussian"]
    first, second = drawn.rows(slice(pairs)), drawn.rows(slice(pairs, None))
    share = torch.linspace(0, 1, steps, device=drawn.device)
    return Table(first.between(second, share, arc=gaussian), steps, mixed=True)
