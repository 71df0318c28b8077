"""`ganctl evaluate`: how good a run's samples are, or any folder of images."""

import json
import operator
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ganctl.build import load_plugins, reopen
from ganctl.commands.folders import both, note_resizing, pictures, shared
from ganctl.commands.screen import say
from ganctl.config import load, read
from ganctl.data import DATASETS, TEST_SPLITS, Dataset, Density, ImageSet
from ganctl.data.folders import headers
from ganctl.errors import BadInput, RunFailed
from ganctl.evaluation import Evaluation, Evaluator, ImageEvaluator, PointEvaluator
from ganctl.evaluation.extraction import shuffled
from ganctl.files import locked, read_json, write_atomically
from ganctl.games import Made
from ganctl.machine import prepare_machine
from ganctl.pictures import nearest_neighbours, to_png
from ganctl.report.scores import print_scores
from ganctl.run import find, new_path, now
from ganctl.schema import METRIC_NAMES, option

COMPARISONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for.

    Attributes:
        metrics: names; empty: all that train nothing.
        features: name of the network, or auto.
        weights: file of its weights.
        num: samples; None: as many as the split has, up to 10,000.
        split: test or train; whole: all images of data without a test split.
        data: name of the data set to measure against; None: the run's own.
        root: where that is.
        against: a folder of images to measure against instead.
        seed: of the noise.
        plugins: modules of the user.
        needed: metrics that must be among the measured ones.
        image_size: of the sides that two folders are read at; None: the smaller of theirs.
    """

    metrics: Sequence[str] = ()
    features: str = "auto"
    weights: Path | None = None
    num: int | None = None
    split: str = "test"
    data: str | None = None
    root: str | None = None
    against: Path | None = None
    seed: int = 0
    plugins: Sequence[str] = ()
    needed: Sequence[str] = ()
    image_size: int | None = None


def evaluate_run(run: Path | None, wanted: Wanted, ema: bool | None) -> tuple[Path, dict[str, Any]]:
    """Measures what a run's generator makes, and adds it to the run's metrics.json.

    Args:
        run: a run folder or one of its checkpoints; None: the latest run.
        ema: use the averaged weights; None: where there are any.

    Returns: the file and what was added to it.
    """
    _refuse_size(wanted)
    experiment, checkpoint = reopen(run, Path("outputs"), [*wanted.plugins], "auto", ema)
    home = find(checkpoint.resolve().parent.parent)
    shape = home.sample_shape or experiment.dataset.shape
    data, device = read(home.config).data, experiment.training.streams.device
    offers = experiment.training.game.offers
    seen = home.info().get("data_fingerprint")
    evaluator = evaluator_for(data, shape, wanted, device, trained_on=seen, offers=offers)
    _refuse_missing(wanted, evaluator)
    _refuse_unwritable(home.metrics_file)
    say(f"evaluating {checkpoint}, {experiment.weights} weights, seed {wanted.seed}")
    found = evaluator.evaluate(experiment.draw_measured, experiment.weights, own=experiment.own_figures)
    entry = {"step": experiment.training.step, "checkpoint": checkpoint.name, "created": now(), **found.to_dict()}
    keep(home.metrics_file, entry)
    show(found, entry, home.path, f"{home.path}, step {experiment.training.step:,}")
    return home.metrics_file, entry


def evaluate_images(images: Path, wanted: Wanted) -> tuple[Path, dict[str, Any]]:
    """Measures a folder of images against a data set or another folder, and writes a folder of its own.

    Returns: the file metrics.json and what is in it.

    Raises:
        BadInput: nothing is named to measure against.
    """
    device = prepare_machine(load([]))
    load_plugins(wanted.plugins)
    _refuse_both(wanted)
    if wanted.against is None and wanted.data is None:
        raise BadInput(f"--images {images}: against what? give --data mnist --root DIR, or --against DIR")
    train: Dataset
    if wanted.against is not None:
        (given, train), test = both(images, wanted.against, wanted.image_size), None
    else:
        _refuse_size(wanted)
        train, test = data_of(wanted, None)
        if not isinstance(train, ImageSet):
            raise BadInput(f"--data {wanted.data}: is a density, and --images are none; choose a data set of images")
        given = pictures("--images", images, train.shape)
        note_resizing(headers(str(images), "--images "), train.shape[1])
    num = len(given.pixels) if wanted.num is None else wanted.num
    if num > len(given.pixels):
        raise BadInput(f"--num {num}: {images} has {len(given.pixels)} images; use at most that many")
    evaluator = _image_evaluator(train, test, replace(wanted, num=num), device)
    _refuse_missing(wanted, evaluator)
    rows, place = shuffled(given, "given"), 0

    def draw(count: int, noise: torch.Generator) -> Made:
        nonlocal place
        del noise
        place += count
        return Made(given.pixels[rows[place - count : place]])

    found = evaluator.evaluate(draw, "none")
    found.warnings[:0] = shared(images, given, wanted.against, (train, test))
    entry = {"images": str(images.resolve()), "images_sha256": given.fingerprint, "created": now(), **found.to_dict()}
    target = new_path(Path("outputs"), f"evaluate-{images.resolve().name or 'images'}")
    keep(target / "metrics.json", entry)
    show(found, entry, target, f"{images}, {num:,} images")
    return target / "metrics.json", entry


def evaluator_for(
    options: Any,
    shape: tuple[int, ...],
    wanted: Wanted,
    device: torch.device,
    train: Dataset | None = None,
    trained_on: str | None = None,
    offers: Collection[str] = (),
) -> Evaluator:
    """What measures the generators of a run against its own data, or against what is asked for.

    Args:
        options: of the run's data.
        shape: of its samples.
        wanted: what is asked for.
        device: where the feature network looks.
        train: the run's data, where they are in memory already.
        trained_on: fingerprint of what the generator was trained on; None: the data that are named.
        offers: metrics that the run's game has besides.

    Raises:
        BadInput: there are no such data, or they are of another shape.
    """
    _refuse_both(wanted)
    if wanted.against is not None:
        if len(shape) != 3:
            raise BadInput(f"--against {wanted.against}: the run makes points, which no folder has; leave it out")
        real = pictures("--against", wanted.against, shape)
        return _image_evaluator(real, None, wanted, device, trained_on in (None, real.fingerprint), offers)
    found, test = data_of(wanted, options, train)
    if shape != found.shape:
        raise BadInput(
            f"data={wanted.data or option(options, 'name')}: has samples of shape {list(found.shape)} and the run "
            f"makes {list(shape)}; name data of the same shape with --data"
        )
    if isinstance(found, Density):
        if wanted.features != "auto" or wanted.split != "test":
            raise BadInput("a density is measured exactly; leave out --features and --split")
        return PointEvaluator(found, wanted.metrics, wanted.num, wanted.seed)
    if not isinstance(found, ImageSet):
        raise BadInput(f"data={option(options, 'name')}: is neither images nor a density; only these are measured")
    return _image_evaluator(found, test, wanted, device, trained_on in (None, found.fingerprint), offers)


def _image_evaluator(
    train: ImageSet,
    test: ImageSet | None,
    wanted: Wanted,
    device: torch.device,
    seen: bool = True,
    offers: Collection[str] = (),
) -> ImageEvaluator:
    if train.pixels.device.type != "cpu":  # a run's data are where it trains
        train = ImageSet(train.pixels.cpu(), None if train.labels is None else train.labels.cpu())
    return ImageEvaluator(
        train, test, wanted.metrics, wanted.features, wanted.split, wanted.num, wanted.weights, wanted.seed, device,
        seen, offers,
    )  # fmt: skip


def data_of(wanted: Wanted, options: Any, train: Dataset | None = None) -> tuple[Dataset, ImageSet | None]:
    """Training and test samples, of the run's `options` or of what is asked for."""
    if wanted.data is not None:
        if wanted.data == "folder":
            raise BadInput("--data folder: name the folder itself, with --against DIR")
        plugins = [f"plugins=[{','.join(wanted.plugins)}]"] if wanted.plugins else []
        options = load([f"data={wanted.data}", *plugins]).data
    if wanted.root is not None:
        if not hasattr(options, "root"):
            raise BadInput(f"--root {wanted.root}: data={option(options, 'name')} has no root; leave it out")
        options = replace(options, root=wanted.root)
    name = option(options, "name")
    if name not in DATASETS:
        raise BadInput(f"data={name}: no such data; choose from {', '.join(sorted(DATASETS))}, or add --plugin MODULE")
    test = TEST_SPLITS[name](options) if name in TEST_SPLITS else None
    if train is not None and wanted.data is None and wanted.root is None:
        return train, test
    return DATASETS[name](options), test


def keep(file: Path, entry: dict[str, Any]) -> None:
    """Adds an evaluation to metrics.json, in the place of one of the same weights by the same protocol and metrics."""
    with locked(file.parent, "writing metrics.json", wait=60, name=".metrics.lock"):  # two may end at once
        evaluations = [other for other in evaluations_in(file) if _identity(other) != _identity(entry)]
        write_atomically(file, json.dumps({"evaluations": [*evaluations, entry]}, indent=2, allow_nan=False) + "\n")


def _refuse_both(wanted: Wanted) -> None:
    """Raises BadInput where two things are named to measure against."""
    if wanted.against is not None and (wanted.data is not None or wanted.root is not None):
        raise BadInput(
            f"--against {wanted.against}: and --data or --root name two things to measure against; choose one"
        )


def _refuse_size(wanted: Wanted) -> None:
    """Raises BadInput where the size of the images is not up to the command line."""
    if wanted.image_size is not None:
        raise BadInput(
            f"--image-size {wanted.image_size}: only two folders have no size of their own, --images DIR --against "
            "DIR; leave it out"
        )


def _refuse_missing(wanted: Wanted, evaluator: Evaluator) -> None:
    """Raises BadInput where a condition is of a metric that these samples do not have."""
    for name in wanted.needed:
        if name not in evaluator.metrics:
            raise BadInput(f"--fail-if: {name} is not measured here; choose from {', '.join(evaluator.metrics)}")


def _refuse_unwritable(file: Path) -> None:
    """Raises BadInput where the file could not be written after the measurement; one that is damaged is set aside."""
    try:
        if file.exists() and not evaluations_in(file):
            file.replace(file.with_name(f"{file.name}.damaged"))
            say(f"{file}: could not be read, so it is now {file.name}.damaged")
        probe = file.with_name(f".{file.name}.probe")
        probe.touch()
        probe.unlink()
        if file.is_dir():
            raise IsADirectoryError(21, "is a folder")
    except OSError as error:
        raise BadInput(f"{file}: cannot be written ({error.strerror}); make its folder writable") from None


def evaluations_in(file: Path) -> list[dict[str, Any]]:
    """The evaluations in a metrics.json, oldest first; none where it is not there or cannot be read."""
    try:
        found = read_json(file)["evaluations"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _identity(entry: dict[str, Any]) -> Any:
    return entry.get("checkpoint"), entry.get("fingerprint"), sorted(entry.get("metrics", {}))


def show(found: Evaluation, entry: dict[str, Any], place: Path, title: str) -> None:
    """The table, the warnings and the picture of nearest neighbours."""
    if found.pictures:
        picture = nearest_neighbours(
            {name: [strip.numpy() for strip in strips] for name, strips in found.pictures.items()}
        )
        write_atomically(place / "nearest.png", to_png(picture))
    print_scores(entry, title)
    for warning in found.warnings:
        say(f"warning: {warning}")
    if found.pictures:
        say(f"nearest neighbours: {place / 'nearest.png'}")


@dataclass(frozen=True)
class Condition:
    """A condition of `--fail-if`: a metric, a comparison and a number."""

    text: str
    metric: str
    sign: str
    bound: float


def condition(text: str, metrics: Sequence[str]) -> Condition:
    """The condition that `text` spells, such as fid>20.

    Args:
        metrics: what is measured; empty: whatever can be.

    Raises:
        BadInput: it cannot be read, or is of a metric that is not measured.
    """
    match = re.fullmatch(r"\s*(\w+)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*", text)
    if match is None:
        raise BadInput(f"--fail-if {text}: cannot be read; write a metric, >, >=, < or <=, and a number: fid>20")
    if match[1] not in (metrics or METRIC_NAMES):
        raise BadInput(
            f"--fail-if {text}: {match[1]} is not measured; choose from {', '.join(metrics or METRIC_NAMES)}"
        )
    return Condition(text.strip(), match[1], match[2], float(match[3]))


def fail_where(conditions: Sequence[Condition], entry: dict[str, Any]) -> None:
    """Raises RunFailed where a condition holds of an entry of metrics.json, or its metric has no value."""
    for asked in conditions:
        value = entry["metrics"].get(asked.metric, {}).get("value")
        if value is None or COMPARISONS[asked.sign](value, asked.bound):
            known = "unknown" if value is None else f"{value:.6g}"
            raise RunFailed(f"{asked.metric} is {known}, and --fail-if says {asked.text}")
