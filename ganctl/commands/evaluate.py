"""`ganctl evaluate`: measures the samples of a run, or a folder of images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ganctl.assembly.plugins import load_plugins
from ganctl.assembly.reopening import reopen
from ganctl.commands.results import finish, writable
from ganctl.config.load import load, read
from ganctl.data import Dataset, Domains, ImageSet, Samples, measured_in
from ganctl.data.folders import headers
from ganctl.errors import BadInput
from ganctl.evaluation import Evaluator
from ganctl.evaluation.extraction import shuffled
from ganctl.evaluation.folders import both, note_resizing, pictures, shared
from ganctl.evaluation.service import data_of, evaluator_for, image_evaluator, refuse_both
from ganctl.evaluation.wanted import Wanted
from ganctl.games import CycleGan
from ganctl.numerics.machine import prepare_machine
from ganctl.store.run import now
from ganctl.store.runs import find, new_path
from ganctl.terminal.live import Activity
from ganctl.terminal.screen import say
from ganctl.training.experiment import Experiment


def evaluate_run(
    run: Path | None, wanted: Wanted, ema: bool | None, activity: Activity
) -> tuple[Path | None, dict[str, Any]]:
    """Measures the samples of a run's generator, and adds the result to the run's metrics.json or to wanted.out's.

    Args:
        run: a run folder or one of its checkpoints; None: the latest run.
        wanted: the request.
        ema: whether to use the averaged weights; None: if there are any.
        activity: shows the current work, and is closed before the result is shown.

    Returns: metrics.json (None if it cannot be written) and the new entry.
    """
    _refuse_size(wanted)
    activity.tell("opening the run")
    experiment, checkpoint = reopen(run, Path("outputs"), [*wanted.plugins], "auto", ema)
    home = find(checkpoint.resolve().parent.parent)
    file = writable(wanted.out or home.path, wanted)
    shape = home.sample_shape or experiment.dataset.shape
    data, device = read(home.config).data, experiment.training.streams.device
    seen, names, train = home.info().get("data_fingerprint"), home.class_names, None
    if wanted.to is not None:
        train = _towards(experiment, wanted)
        shape, seen = train.shape, train.fingerprint
    evaluator = evaluator_for(
        data, shape, wanted, device, train, seen, experiment.training.game, told=activity.tell, names=names
    )
    _refuse_missing(wanted, evaluator)
    say(f"evaluating {checkpoint}, {experiment.weights} weights, seed {wanted.seed}")
    found = evaluator.evaluate(
        experiment.draw_measured, experiment.weights, own=experiment.own_figures, rivals=experiment.rivals
    )
    entry = {"step": experiment.training.step, "checkpoint": checkpoint.name, "created": now(), **found.to_dict()}
    title = f"{home.path}, step {experiment.training.step:,}"
    if wanted.to is not None:
        entry["to"], title = wanted.to, f"{title}, to {wanted.to}"
    if found.classes and names:
        entry["class_names"] = names
    if wanted.out is not None:  # the file is not in the run's folder, so it names the run
        entry["run"] = str(home.path.resolve())
    activity.close()
    return finish(found, entry, file, title, wanted), entry


def _towards(experiment: Experiment, wanted: Wanted) -> Domains:
    """Turns a game that translates to the domain that is asked for; returns its data with that domain as the target."""
    game, data = experiment.training.game, experiment.dataset
    if not isinstance(game, CycleGan) or not isinstance(data, Domains):
        raise BadInput(f"--to {wanted.to}: this run translates nothing; leave it out")
    if wanted.to not in ("A", "B"):
        raise BadInput(f"--to {wanted.to}: choose A or B, the domain whose images are measured")
    if wanted.data is not None or wanted.root is not None or wanted.against is not None:
        raise BadInput(
            f"--to {wanted.to}: measures against that domain of the run's data; leave --data, --root and --against out"
        )
    if wanted.to == "B":
        return data
    game.turn_around()
    return data.reversed()


def evaluate_images(images: Path, wanted: Wanted, activity: Activity) -> tuple[Path | None, dict[str, Any]]:
    """Measures a folder of images against a data set or another folder, and writes the result to a folder of its own.

    Args:
        images: the folder of images.
        wanted: the request.
        activity: shows the current work, and is closed before the result is shown.

    Returns: metrics.json (None if it cannot be written) and the new entry.

    Raises:
        BadInput: the request does not say what to measure against, or cannot be met.
    """
    if wanted.to is not None:
        raise BadInput(f"--to {wanted.to}: is of a run that translates, and --images are none; leave it out")
    device = prepare_machine(load([]))
    load_plugins(wanted.plugins)
    refuse_both(wanted)
    if wanted.against is None and wanted.data is None:
        raise BadInput(f"--images {images}: against what? give --data mnist --root DIR, or --against DIR")
    name = f"evaluate-{images.resolve().name or 'images'}"
    file = writable(wanted.out or Path("outputs", name), wanted)
    activity.tell(f"reading {images} and {wanted.against or wanted.data}")
    train: Dataset
    test: Dataset | None
    if wanted.against is not None:
        (given, train), test = both(images, wanted.against, wanted.image_size), None
    else:
        _refuse_size(wanted)
        train, test = data_of(wanted, None)
        train, test = measured_in(train), test and measured_in(test)
        if not isinstance(train, ImageSet) or not isinstance(test, ImageSet | None):
            raise BadInput(f"--data {wanted.data}: is a density, and --images are none; choose a data set of images")
        given = pictures("--images", images, train.shape)
        note_resizing(headers(str(images), "--images "), train.shape[1])
    num = len(given.pixels) if wanted.num is None else wanted.num
    if num > len(given.pixels):
        raise BadInput(f"--num {num}: {images} has {len(given.pixels)} images; use at most that many")
    # The generator of a folder's images is unknown; with a data set it is assumed to have been trained on that.
    evaluator = image_evaluator(
        train, test, replace(wanted, num=num), device, seen=wanted.against is None, told=activity.tell
    )
    _refuse_missing(wanted, evaluator)
    rows, place = shuffled(given, "given"), 0

    def draw(count: int, noise: torch.Generator) -> Samples:
        nonlocal place
        del noise
        place += count
        return Samples(given.pixels[rows[place - count : place]])

    found = evaluator.evaluate(draw, "none")
    found.warnings[:0] = shared(images, given, wanted.against, (train, test))
    entry = {"images": str(images.resolve()), "images_sha256": given.fingerprint, "created": now(), **found.to_dict()}
    activity.close()
    if file is not None and wanted.out is None:
        file = new_path(Path("outputs"), name) / "metrics.json"
    return finish(found, entry, file, f"{images}, {num:,} images", wanted), entry


def _refuse_size(wanted: Wanted) -> None:
    """Raises BadInput for --image-size: only a pair of folders takes it, in other cases the data have a size."""
    if wanted.image_size is not None:
        raise BadInput(
            f"--image-size {wanted.image_size}: only two folders have no size of their own, --images DIR --against "
            "DIR; leave it out"
        )


def _refuse_missing(wanted: Wanted, evaluator: Evaluator) -> None:
    """Raises BadInput if a condition is about a metric that is not measured."""
    for name in wanted.needed:
        if name not in evaluator.metrics:
            raise BadInput(f"--fail-if: {name} is not measured here; choose from {', '.join(evaluator.metrics)}")
