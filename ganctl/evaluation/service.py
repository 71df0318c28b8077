"""From what is asked to what measures it: the data to compare with, and an evaluator for them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ganctl.config.load import load
from ganctl.config.schema import SCHEMAS, option
from ganctl.data import DATASETS, Dataset, Density, ImageSet, measured_in, test_split
from ganctl.data.folders import folder
from ganctl.errors import BadInput
from ganctl.evaluation import Evaluator, ImageEvaluator, PointEvaluator, Told, silent
from ganctl.evaluation.folders import numbered_as, overlap, pictures
from ganctl.evaluation.own import Rules
from ganctl.evaluation.wanted import Wanted


def evaluator_for(
    options: Any,
    shape: tuple[int, ...],
    wanted: Wanted,
    device: torch.device,
    train: Dataset | None = None,
    trained_on: str | None = None,
    game: Rules | None = None,
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
        game: the run's, which may have metrics besides.
        told: called with what is being done, now and while it measures.
        names: of the classes that the generator was trained on, where they have any.

    Raises:
        BadInput: there are no such data, or they are of another shape.
    """
    refuse_both(wanted)
    if wanted.against is not None:
        if len(shape) != 3:
            raise BadInput(f"--against {wanted.against}: the run makes points, which no folder has; leave it out")
        background = option(options, "background", "white")  # transparent pictures are compared on one ground
        real = numbered_as(pictures("--against", wanted.against, shape, background=background), names)
        own = _trained_on(options, trained_on)
        if own is None or own.fingerprint == real.fingerprint or overlap(wanted.against, Path(options.root)):
            seen = own is not None or trained_on in (None, real.fingerprint)
            return image_evaluator(real, None, wanted, device, seen, game, told)
        if wanted.split == "train":
            raise BadInput(
                f"--split train: measures against the training images, and --against {wanted.against} against others; "
                "choose one"
            )
        return image_evaluator(own, real, wanted, device, game=game, told=told)
    found, test = data_of(wanted, options, train)
    seen = trained_on in (None, found.fingerprint)
    found = measured_in(found)
    test = test and measured_in(test)
    if shape != found.shape:
        raise BadInput(
            f"data={wanted.data or option(options, 'name')}: has samples of shape {list(found.shape)} and the run "
            f"makes {list(shape)}; name data of the same shape with --data"
        )
    if isinstance(found, Density):
        return _point_evaluator(found, wanted, game, told)
    if not isinstance(found, ImageSet):
        raise BadInput(f"data={option(options, 'name')}: is neither images nor a density; only these are measured")
    if test is not None and not isinstance(test, ImageSet):
        raise BadInput(f"data={option(options, 'name')}: its test split holds no images; only these are measured")
    return image_evaluator(found, test, wanted, device, seen, game, told)


def _point_evaluator(density: Density, wanted: Wanted, game: Rules | None, told: Told) -> PointEvaluator:
    """An evaluator of points; a density is measured exactly, so it takes neither features nor a split."""
    if wanted.features != "auto":
        raise BadInput(f"features={wanted.features}: a density is measured exactly, by no network; leave it out")
    if wanted.split == "whole":
        raise BadInput("--whole: a density is measured exactly; leave it out")
    if wanted.split != "test":
        raise BadInput(f"split={wanted.split}: a density is measured exactly and has no split; leave it out")
    return PointEvaluator(density, wanted.metrics, wanted.num, wanted.seed, told, game)


def _trained_on(options: Any, fingerprint: str | None) -> ImageSet | None:
    """The folder of pictures that a run was trained on; None where it is none, or another one by now."""
    if option(options, "name") != "folder":
        return None
    try:
        found = folder(options)
    except BadInput:  # it was moved, which does not matter here
        return None
    return found if found.fingerprint == fingerprint else None


def _on_cpu(images: ImageSet) -> ImageSet:
    """The images on the CPU; the data of a run are on the device that it trains on."""
    if images.pixels.device.type == "cpu":
        return images
    return ImageSet(images.pixels.cpu(), None if images.labels is None else images.labels.cpu())


def image_evaluator(
    train: ImageSet,
    test: ImageSet | None,
    wanted: Wanted,
    device: torch.device,
    seen: bool = True,
    game: Rules | None = None,
    told: Told = silent,
) -> ImageEvaluator:
    """An evaluator of images, which are read on the CPU wherever the run's data are.

    Args:
        train: the training images.
        test: images that training does not see; None: there are none.
        wanted: the metrics, the features and the numbers that are asked for.
        device: where the feature network computes.
        seen: whether the generator was trained on `train`.
        game: the run's game, for its own metrics.
        told: called with the progress.
    """
    return ImageEvaluator(
        _on_cpu(train), test and _on_cpu(test), wanted.metrics, wanted.features, wanted.split, wanted.num,
        wanted.weights, wanted.seed, device, seen, game, told,
    )  # fmt: skip


def data_of(wanted: Wanted, options: Any, train: Dataset | None = None) -> tuple[Dataset, Dataset | None]:
    """Training and test samples, of the run's `options` or of what is asked for."""
    if wanted.data is not None:
        if wanted.data == "folder":
            raise BadInput("--data folder: name the folder itself, with --against DIR")
        plugins = [f"plugins=[{','.join(wanted.plugins)}]"] if wanted.plugins else []
        size = option(options, "size")  # digits are measured at the size that the run has made them
        place = (
            [f"data.root={wanted.root}"] if wanted.root and hasattr(SCHEMAS["data"].get(wanted.data), "root") else []
        )
        options = load([f"data={wanted.data}", *place, *plugins]).data
        options = replace(options, size=size) if size and hasattr(options, "size") else options
    if wanted.root is not None:
        if not hasattr(options, "root"):
            raise BadInput(f"--root {wanted.root}: {option(options, 'name')} has no folder of data; leave it out")
        options = replace(options, root=wanted.root)
    name = option(options, "name")
    if name not in DATASETS:
        raise BadInput(f"data={name}: no such data; choose from {', '.join(sorted(DATASETS))}, or add --plugin MODULE")
    if train is None or wanted.data is not None or wanted.root is not None:
        train = DATASETS[name](options)
    return train, test_split(options, train)


def refuse_both(wanted: Wanted) -> None:
    """Raises BadInput where two things are named to measure against."""
    if wanted.against is not None and (wanted.data is not None or wanted.root is not None):
        raise BadInput(
            f"--against {wanted.against}: and --data or --root name two things to measure against; choose one"
        )
