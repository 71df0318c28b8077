"""`ganctl train --verify`: repeats a run and compares every number."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganctl.assembly.compose import build
from ganctl.errors import BadInput, RunFailed
from ganctl.store import checkpoint
from ganctl.store.host import machine, versions
from ganctl.store.run import RunFolder
from ganctl.store.runs import find
from ganctl.studies.continuing import verified
from ganctl.studies.progress import ProgressDisplay
from ganctl.studies.run import check_same_data, device_name, measures_of, watching_evaluator
from ganctl.terminal.screen import say
from ganctl.training.experiment import Experiment
from ganctl.training.loop import Training
from ganctl.training.loop import train as play
from ganctl.watching.hooks import summary


class _Differs(Exception):
    """A number differs. The message says which."""


class _Rows:
    """A hook that compares each logged row with the run's row.

    Only tags that are logged now are compared: a run that was extended also has those of its earlier end. Tags that
    depend on the clock are left out, and so are metrics, which may have been requested later.
    """

    def __init__(self, rows: list[dict[str, float]], until: int, log_every: int, display: ProgressDisplay) -> None:
        self.rows = {int(row["step"]): row for row in rows}
        # The last step is always logged, but a run that was stopped there may not have logged it.
        self.own = until if until % log_every else None
        self.display = display
        self.compared = 0

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        """Raises _Differs at the first number of a logged step that differs."""
        if scalars is None:
            return
        self.display.show(training.step, summary(scalars))
        row = self.rows.get(training.step)
        if row is None and training.step == self.own:
            return
        if row is None:
            raise _Differs(f"step {training.step}: the run has no row of it")
        for tag, value in scalars.items():
            if not tag.startswith(("speed/", "metric/")) and row.get(tag) != value:
                raise _Differs(f"step {training.step}: {tag} is {row.get(tag)} in the run and {value} now")
        self.compared += 1


class _Weights:
    """A hook that compares the whole state at a checkpoint's step with the checkpoint."""

    def __init__(self, step: int, tensors: dict[str, dict[str, Tensor]]) -> None:
        self.step, self.tensors = step, tensors
        self.compared = 0

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        """Raises _Differs at the first tensor that differs."""
        del scalars
        if training.step != self.step:
            return
        for part, tensors in training.tensors().items():
            for name, tensor in tensors.items():
                before = self.tensors[part].get(name)
                if before is None or not torch.equal(before, tensor.cpu()):
                    raise _Differs(f"step {training.step}: the checkpoint's {part}/{name} is another tensor")
                self.compared += 1


def verify(path: Path, overrides: Sequence[str]) -> Path:
    """Repeats the run in the folder `path` without writing anything; returns the folder if all numbers are equal.

    Args:
        overrides: only the plugins that the run needs and the current place of its data.

    Raises:
        BadInput: there is no such run, nothing to compare with, or the data are not those it was trained on.
        RunFailed: a number or a weight differs; the message names the first one.
    """
    folder = find(path)
    config = verified(folder, overrides)
    paths, rows = folder.checkpoints(), folder.scalars()
    if not paths or not rows:
        raise BadInput(f"{path}: has no checkpoint and no row yet, so there is nothing to compare with; train it first")
    _, tensors, manifest = checkpoint.newest(paths, ("networks", "training"))
    experiment = build(config)
    check_same_data(folder, experiment)
    evaluator = watching_evaluator(config, experiment)
    measures, _ = measures_of(config, experiment, evaluator)
    until = max(int(rows[-1]["step"]), manifest["counts"]["step"])
    with closing(ProgressDisplay(until, 0)) as display:
        if evaluator is not None:
            evaluator.told = partial(display.show, None)
        compared, weights = _Rows(rows, until, config.log_every, display), _Weights(manifest["counts"]["step"], tensors)
        try:
            play(experiment.training, until, config.log_every, [*measures, compared, weights], lambda: False)
        except _Differs as difference:
            raise RunFailed(f"{path}: differs first at {difference}{_excuse(folder, experiment)}") from None
    say(f"equal: {compared.compared:,} rows and {weights.compared:,} tensors at step {weights.step:,}, to the last bit")
    return path


def _excuse(folder: RunFolder, experiment: Experiment) -> str:
    """The versions and hardware that changed since the run began, in words: others may round differently."""
    info, changed = folder.info(), []
    if info.get("device", device_name(experiment)) != device_name(experiment):
        changed.append(f"device was {info['device']} and is {device_name(experiment)}")
    for name, now in (("versions", versions()), ("machine", machine())):
        before: Any = info.get(name)
        for key in now if isinstance(before, dict) else ():
            if key in before and before[key] != now[key]:
                changed.append(f"{key} was {before[key]} and is {now[key]}")
    return f"; {'; '.join(changed)}" if changed else ""
