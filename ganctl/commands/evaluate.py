"""`ganctl evaluate`: how good a run's samples are, or any folder of images."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ganctl.build import load_plugins, reopen
from ganctl.commands.folders import both, note_resizing, numbered_as, overlap, pictures, shared
from ganctl.commands.results import finish, writable
from ganctl.commands.screen import say
from ganctl.commands.wanted import Wanted
from ganctl.config import load, read
from ganctl.data import DATASETS, TEST_SPLITS, Dataset, Density, ImageSet
from ganctl.data.folders import folder, headers
from ganctl.errors import BadInput
from ganctl.evaluation import Evaluator, ImageEvaluator, PointEvaluator, Told, silent
from ganctl.evaluation.extraction import shuffled
from ganctl.games import Made
from ganctl.machine import prepare_machine
from ganctl.run import find, new_path, now
from ganctl.schema import option
from ganctl.terminal.live import Activity


def evaluate_run(
    run: Path | None, wanted: Wanted, ema: bool | None, activity: Activity
) -> tuple[Path | None, dict[str, Any]]:
    """Measures what a run's generator makes, and adds it to the run's metrics.json, or to that of another folder.

    Args:
        run: a run folder or one of its checkpoints; None: the latest run.
        ema: use the averaged weights; None: where there are any.
        activity: says what is being done until there is something to show, and ends then.

    Returns: the file, None where none can be written, and what was found.
    """
    _refuse_size(wanted)
    activity.tell("opening the run")
    experiment, checkpoint = reopen(run, Path("outputs"), [*wanted.plugins], "auto", ema)
    home = find(checkpoint.resolve().parent.parent)
    file = writable(wanted.out or home.path, wanted)
    shape = home.sample_shape or experiment.dataset.shape
    data, device = read(home.config).data, experiment.training.streams.device
    offers = experiment.training.game.offers
    info = home.info()
    seen, names = info.get("data_fingerprint"), info.get("files", {}).get("classes")
    evaluator = evaluator_for(
        data, shape, wanted, device, trained_on=seen, offers=offers, told=activity.tell, names=names
    )
    _refuse_missing(wanted, evaluator)
    say(f"evaluating {checkpoint}, {experiment.weights} weights, seed {wanted.seed}")
    found = evaluator.evaluate(experiment.draw_measured, experiment.weights, own=experiment.own_figures)
    entry = {"step": experiment.training.step, "checkpoint": checkpoint.name, "created": now(), **found.to_dict()}
    if wanted.out is not None:  # elsewhere than in its folder
        entry["run"] = str(home.path.resolve())
    activity.close()
    return finish(found, entry, file, f"{home.path}, step {experiment.training.step:,}", wanted), entry


def evaluate_images(images: Path, wanted: Wanted, activity: Activity) -> tuple[Path | None, dict[str, Any]]:
    """Measures a folder of images against a data set or another folder, and writes a folder of its own.

    Args:
        images: the folder.
        wanted: what is asked for.
        activity: says what is being done until there is something to show, and ends then.

    Returns: the file metrics.json, None where none can be written, and what was found.

    Raises:
        BadInput: nothing is named to measure against.
    """
    device = prepare_machine(load([]))
    load_plugins(wanted.plugins)
    _refuse_both(wanted)
    if wanted.against is None and wanted.data is None:
        raise BadInput(f"--images {images}: against what? give --data mnist --root DIR, or --against DIR")
    name = f"evaluate-{images.resolve().name or 'images'}"
    file = writable(wanted.out or Path("outputs", name), wanted)
    activity.tell(f"reading {images} and {wanted.against or wanted.data}")
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
    # Nobody knows what made the pictures of a folder; beside a data set it is taken to have been trained on that.
    evaluator = _image_evaluator(
        train, test, replace(wanted, num=num), device, seen=wanted.against is None, told=activity.tell
    )
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
    activity.close()
    if file is not None and wanted.out is None:
        file = new_path(Path("outputs"), name) / "metrics.json"
    return finish(found, entry, file, f"{images}, {num:,} images", wanted), entry


def evaluator_for(
    options: Any,
    shape: tuple[int, ...],
    wanted: Wanted,
    device: torch.device,
    train: Dataset | None = None,
    trained_on: str | None = None,
    offers: Collection[str] = (),
    told: Told = silent,
    names: list[str] | None = None,
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
        told: called with what is being done, now and while it measures.
        names: of the classes that the generator was trained on, where they are folders.

    Raises:
        BadInput: there are no such data, or they are of another shape.
    """
    _refuse_both(wanted)
    if wanted.against is not None:
        if len(shape) != 3:
            raise BadInput(f"--against {wanted.against}: the run makes points, which no folder has; leave it out")
        background = option(options, "background", "white")  # transparent pictures are compared on one ground
        real = numbered_as(pictures("--against", wanted.against, shape, background=background), names)
        own = _trained_on(options, trained_on)
        if own is None or own.fingerprint == real.fingerprint or overlap(wanted.against, Path(options.root)):
            seen = own is not None or trained_on in (None, real.fingerprint)
            return _image_evaluator(real, None, wanted, device, seen, offers, told)
        if wanted.split == "train":
            raise BadInput(
                f"--split train: measures against the training images, and --against {wanted.against} against others; "
                "choose one"
            )
        return _image_evaluator(own, real, wanted, device, offers=offers, told=told)
    found, test = data_of(wanted, options, train)
    if shape != found.shape:
        raise BadInput(
            f"data={wanted.data or option(options, 'name')}: has samples of shape {list(found.shape)} and the run "
            f"makes {list(shape)}; name data of the same shape with --data"
        )
    if isinstance(found, Density):
        if wanted.features != "auto":
            raise BadInput(f"features={wanted.features}: a density is measured exactly, by no network; leave it out")
        if wanted.split == "whole":
            raise BadInput("--whole: a density is measured exactly; leave it out")
        if wanted.split != "test":
            raise BadInput(f"split={wanted.split}: a density is measured exactly and has no split; leave it out")
        return PointEvaluator(found, wanted.metrics, wanted.num, wanted.seed, told)
    if not isinstance(found, ImageSet):
        raise BadInput(f"data={option(options, 'name')}: is neither images nor a density; only these are measured")
    return _image_evaluator(found, test, wanted, device, trained_on in (None, found.fingerprint), offers, told)


def _trained_on(options: Any, fingerprint: str | None) -> ImageSet | None:
    """The folder of pictures that a run was trained on; None where it is none, or another one by now."""
    if option(options, "name") != "folder":
        return None
    try:
        found = folder(options)
    except BadInput:  # it was moved, which does not matter here
        return None
    return found if found.fingerprint == fingerprint else None


def _image_evaluator(
    train: ImageSet,
    test: ImageSet | None,
    wanted: Wanted,
    device: torch.device,
    seen: bool = True,
    offers: Collection[str] = (),
    told: Told = silent,
) -> ImageEvaluator:
    if train.pixels.device.type != "cpu":  # a run's data are where it trains
        train = ImageSet(train.pixels.cpu(), None if train.labels is None else train.labels.cpu())
    return ImageEvaluator(
        train, test, wanted.metrics, wanted.features, wanted.split, wanted.num, wanted.weights, wanted.seed, device,
        seen, offers, told,
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
            raise BadInput(f"--root {wanted.root}: {option(options, 'name')} has no folder of data; leave it out")
        options = replace(options, root=wanted.root)
    name = option(options, "name")
    if name not in DATASETS:
        raise BadInput(f"data={name}: no such data; choose from {', '.join(sorted(DATASETS))}, or add --plugin MODULE")
    test = TEST_SPLITS[name](options) if name in TEST_SPLITS else None
    if train is not None and wanted.data is None and wanted.root is None:
        return train, test
    return DATASETS[name](options), test


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
