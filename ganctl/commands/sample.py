"""`ganctl sample`: pictures, animations and arrays of the samples of a run's generator."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganctl.assembly.reopening import reopen
from ganctl.config.load import read
from ganctl.config.schema import option
from ganctl.data import kind_of
from ganctl.data.pictures import GRID_COUNT, stacked, to_pixels, to_png
from ganctl.errors import BadInput
from ganctl.numerics.streams import Streams
from ganctl.sampling import traversals
from ganctl.sampling.animation import progress, there_and_back
from ganctl.sampling.asked import ANIMATED, Asked, refuse_both, refuse_ending
from ganctl.sampling.class_names import names_of
from ganctl.sampling.conversions import convert_all, translating, upscaling
from ganctl.sampling.reconstructions import Comparison, reconstructions
from ganctl.sampling.traversals import Table
from ganctl.store.files import write_atomically
from ganctl.store.places import try_to_write
from ganctl.store.runs import find
from ganctl.terminal.screen import say
from ganctl.training.experiment import Experiment

MOST = 100_000  # the largest table of samples; they are generated all at once


def sample(
    run: Path | None,
    num: int | None,
    seed: int | None,
    columns: int | None,
    out: Path | None,
    npz: bool,
    ema: bool | None,
    plugins: list[str],
    asked: Asked | None = None,
) -> Path:
    """Generates samples and writes them as a PNG (a grid, or a scatter plot of points), as an animation or as arrays.

    Args:
        run: a run folder or one of its checkpoints; None: the latest run.
        num: number of samples; for a table, number of latent vectors or pairs of them; for reconstructions, number of
            images. None: 64 samples or 2,000 points; 8 latent vectors; 32 images.
        seed: seed of the noise; None: the run's seed, which with all defaults gives the run's own grids.
        columns: columns of the grid; for a table, steps along a continuous code or between latent vectors; at least 1.
        out: the file to write, an animation if it ends in .gif or .webp; None: a file in the run folder.
        npz: whether to write arrays instead: `images` uint8 [N, H, W, C] or `points` float32 [N, 2], and what was
            chosen for each sample: `labels` and the `class_names` of all classes, or an array named after its code.
        ema: whether to use the averaged weights; None: if there are any.
        plugins: names of the user's modules that the run needs.
        asked: which samples to show; None: independent samples.

    Returns: the file.

    Raises:
        BadInput: the request cannot be met, or the file cannot be written.
    """
    asked = asked or Asked()
    refuse_both(asked, {"--num": num, "--seed": seed, "--columns": columns, "--ema or --no-ema": ema}, npz)
    refuse_ending(asked, out, npz)
    if out is not None and not (asked.upscale or asked.translate):
        _refuse_unwritable(out, out)
    if asked.progress:
        return _write(*progress(run, out), out)
    experiment, checkpoint = reopen(run, Path("outputs"), plugins, "auto", ema)
    home = find(checkpoint.resolve().parent.parent)
    if asked.upscale or asked.translate:
        return _converted(experiment, asked, home.path, out)
    _refuse_unwritable(out or home.path / "sample.png", out)
    seed = experiment.training.streams.seed if seed is None else seed
    animated = out is not None and out.suffix[1:] in ANIMATED
    if asked.reconstruct:
        compared = reconstructions(experiment, home, num, seed, plugins)
        count, content = compared.columns, _of_compared(experiment, compared, columns or 8, npz)
        note = f"{compared.origin}; rows, from the top: {', '.join(compared.rows)}"
    else:
        _refuse_still(experiment, asked, moves=animated or npz)
        drawn = _draw(experiment, asked, num, columns, Streams(seed).fresh("sampling"), animated)
        count = len(drawn.samples)
        note = _reach(experiment, asked) or ("" if animated or npz else _legend(experiment, drawn))
        content = _of_samples(experiment, asked, drawn, columns, npz, out if animated else None)
    shown = _in_words(experiment, asked, num, columns)
    weights = "" if experiment.training.average else "-no-ema" if ema is False else ""
    name = f"sample-step-{experiment.training.step:08d}-seed-{seed}-num-{count}{shown}{weights}"
    path = _write(out or home.path / f"{name}.{'npz' if npz else 'png'}", content, out)
    for line in filter(None, [f"sampled {checkpoint}, {experiment.weights} weights, seed {seed}", note]):
        say(line)  # only now, since the request could be refused until here
    return path


def _converted(experiment: Experiment, asked: Asked, home: Path, out: Path | None) -> Path:
    """Enlarges or translates the user's own pictures; the results lie in the run folder if `out` is None."""
    given = asked.upscale or asked.translate
    assert given is not None
    background = str(option(read(home / "config.yaml").data, "background", "white"))
    if asked.upscale:
        convert, word = upscaling(experiment, given, background), f"upscaled-{experiment.training.game.factor}x"  # type: ignore[attr-defined]
    else:
        convert, word = translating(experiment, given, asked.to or "", background), f"translated-to-{asked.to}"
    named = home / word / (f"{given.stem}.png" if given.is_file() else given.resolve().name)
    place = out or named
    _refuse_unwritable(place / "picture.png" if given.is_dir() else place, out)
    try:
        return convert_all(experiment, convert, asked.flags[0].split()[0], given, place)
    except OSError as error:
        raise _unwritable(place, error, out) from None


def _in_words(experiment: Experiment, asked: Asked, num: int | None, columns: int | None) -> str:
    """What is shown, as a part of the file's name; names of classes may hold what a path has other uses for."""
    shown = "".join(re.sub(r"[^\w.+=-]+", "-", flag[1:]) for flag in asked.flags)
    if experiment.category and not asked.flags and num is columns is None:
        shown = f"-by-{experiment.category}"
    return shown.encode()[:100].decode(errors="ignore") + ("" if columns is None else f"-columns-{columns}")


@dataclass(frozen=True)
class _Drawn:
    """Samples on the CPU, the columns of their grid, and the table of inputs that they were generated from, if any."""

    samples: Tensor
    columns: int
    table: Table | None = None


def _draw(
    experiment: Experiment, asked: Asked, num: int | None, columns: int | None, noise: torch.Generator, animated: bool
) -> _Drawn:
    if not asked.flags:
        return _any_samples(experiment, num, columns, noise)
    table = _table(experiment, asked, num, columns, noise, animated)
    return _Drawn(experiment.make(table.inputs), table.columns, table)


def _any_samples(experiment: Experiment, num: int | None, columns: int | None, noise: torch.Generator) -> _Drawn:
    """The samples of the run's own grids, or independent samples if `num` or `columns` is given."""
    if num is columns is None:
        samples, table = traversals.shown(experiment, noise)
        return _Drawn(samples, experiment.picture_columns, table)
    num, columns = num or experiment.picture_count, columns or 8
    if not (experiment.training.game.codes or experiment.from_images):
        return _Drawn(experiment.draw_samples(num, noise), columns)
    inputs = experiment.draw_inputs(num, noise, torch.arange(num))
    return _Drawn(experiment.make(inputs), columns, Table(inputs, columns))


def _table(
    experiment: Experiment, asked: Asked, num: int | None, columns: int | None, noise: torch.Generator, animated: bool
) -> Table:
    points = kind_of(experiment.dataset) == "points"
    classes = traversals.classes_of(asked.label, experiment) if asked.label is not None else []
    steps = 25 if animated else columns or 9
    rows = num or (experiment.picture_count if points else 32 if animated else 8)
    if asked.interpolate:
        _refuse_steps(steps)
        _refuse_many(rows, steps)
        return traversals.interpolation(experiment, classes, rows, steps, noise)
    if asked.sweep is not None:
        code = experiment.training.game.codes.get(asked.sweep)
        if code and code.classes and not animated:
            if columns is not None:
                raise BadInput(f"--columns {columns}: --sweep {asked.sweep} has a column a category; leave it out")
            rows = num or (-(-experiment.picture_count // code.classes) if points else 8)
        elif code and not code.classes:
            _refuse_steps(steps)
        if code:
            _refuse_many(rows, code.classes or steps)
        return traversals.sweep(experiment, asked.sweep, rows, steps, noise)
    if asked.labels is not None:
        _refuse_many(rows, experiment.dataset.classes)
        return traversals.all_classes(experiment, rows, noise)
    wide = columns or 8
    whole = len(classes) * wide  # one row per class
    count = num or -(-GRID_COUNT // whole) * whole
    _refuse_many(count, 1)
    return traversals.of_classes(experiment, classes, count, wide, noise)


def _smooth(experiment: Experiment, asked: Asked) -> bool:
    """Whether the samples change continuously, and not from class to class."""
    code = experiment.training.game.codes.get(asked.sweep or "")
    return asked.moves and (code is None or not code.classes)


def _refuse_still(experiment: Experiment, asked: Asked, moves: bool) -> None:
    if not moves and _smooth(experiment, asked) and kind_of(experiment.dataset) == "points":
        raise BadInput(f"{asked.flags[-1]}: points have no rows and columns, but can move; add --out FILE.gif")


def _reach(experiment: Experiment, asked: Asked) -> str:
    """A note that a continuous code goes beyond its range in training; empty for other samples."""
    if asked.sweep is None or not _smooth(experiment, asked):
        return ""
    reach = traversals.REACH
    return f"{asked.sweep} goes from {-reach:g} to {reach:g}; in training it was within [-1, 1]"


def _legend(experiment: Experiment, drawn: _Drawn) -> str:
    """Which class each row or column of a grid of images has, where that is known and has a name."""
    return drawn.table.legend if drawn.table and kind_of(experiment.dataset) == "images" else ""


def _refuse_steps(steps: int) -> None:
    if steps < 2:
        raise BadInput(f"--columns {steps}: has no room for both ends; use 2 or more")


def _refuse_many(rows: int, columns: int) -> None:
    if rows * columns > MOST:
        raise BadInput(
            f"this would be {rows * columns:,} samples in one picture or file, and {MOST:,} is the most; ask for fewer "
            "with --num and --columns"
        )


def _of_samples(
    experiment: Experiment, asked: Asked, drawn: _Drawn, columns: int | None, npz: bool, animation: Path | None
) -> bytes:
    """The content of the file for samples."""
    table, title = drawn.table, f"step {experiment.training.step:,}"
    if npz:
        return _arrays(_pixels(experiment, drawn.samples) | (_chosen(experiment, table) if table else {}))
    if animation is None:
        inputs = table.inputs if table else None
        return to_png(experiment.picture(drawn.samples, drawn.columns, title, inputs))
    assert table is not None
    frames = [
        experiment.picture(drawn.samples[place :: table.columns], columns or 8, title, table.column(place))
        for place in range(table.columns)
    ]
    return there_and_back(frames, table.captions, _smooth(experiment, asked), animation.suffix[1:])


def _of_compared(experiment: Experiment, compared: Comparison, columns: int, npz: bool) -> bytes:
    """The content of the file for reconstructions and their like."""
    rows = {name: to_pixels(images, experiment.value_range) for name, images in compared.rows.items()}
    return _arrays(rows) if npz else to_png(stacked([*rows.values()], columns))


def _pixels(experiment: Experiment, samples: Tensor) -> dict[str, np.ndarray]:
    if samples.ndim == 2:
        return {"points": samples.numpy()}
    return {"images": to_pixels(samples, experiment.value_range)}


def _chosen(experiment: Experiment, table: Table) -> dict[str, np.ndarray]:
    """The chosen codes of the samples: classes int64 [N], shares of classes [N, K] between two, or numbers [N].

    Samples that were generated from images have those too, uint8 [N, H, W, C].
    """
    found = {name: to_pixels(images, experiment.value_range) for name, images in table.inputs.images.items()}
    for name, value in table.inputs.codes.items():
        if not experiment.training.game.codes[name].classes:
            value = value[:, 0]
        elif not table.mixed:
            value = value.argmax(dim=1)
        found["labels" if name == "label" else name] = value.cpu().numpy()
    if "labels" in found:
        found["class_names"] = np.array(names_of(experiment))
    return found


def _arrays(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _refuse_unwritable(path: Path, out: Path | None) -> None:
    """Raises BadInput, before the work begins, if the file cannot be written."""
    try:
        try_to_write(path.parent)
        if path.is_dir():
            raise IsADirectoryError(21, "is a folder")
    except OSError as error:
        raise _unwritable(path, error, out) from None


def _write(path: Path, content: bytes, out: Path | None) -> Path:
    """Writes the file, and creates its folder if it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise _unwritable(path, error, out) from None
    return path


def _unwritable(path: Path, error: OSError, out: Path | None) -> BadInput:
    where = path.parent if out is None else f"--out {out}"
    way = "give --out FILE, a file" if out is None else "name a file"
    return BadInput(f"{where}: cannot be written ({error.strerror}); {way} in a folder you may write to")
