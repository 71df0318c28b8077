"""Hooks that run between steps: scalars, grids, checkpoints, progress. A hook reads the training, never changes it."""

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from ganctl.config.identity import identity
from ganctl.config.metrics import lower_is_better, own_names
from ganctl.config.schema import Config
from ganctl.data.pictures import to_png
from ganctl.store import checkpoint
from ganctl.store.events import EventFile
from ganctl.store.files import write_atomically
from ganctl.store.run import RunFolder
from ganctl.training.experiment import Experiment
from ganctl.training.loop import Training
from ganctl.watching.diagnosis import Diagnosis


class ScalarLog:
    """Writes the logged scalars to scalars.jsonl and to TensorBoard, at most once per second.

    Writing each row separately would make a logged step about twice as slow (docs/performance.md).

    Args:
        folder: the run folder; its rows after `step` are deleted.
        events: the TensorBoard file.
        step: step at which the run begins or resumes.
        batch_size: images per batch, for the speed.
    """

    SECONDS = 1.0  # interval between two writes, while rows arrive

    def __init__(self, folder: RunFolder, events: EventFile, step: int, batch_size: int) -> None:
        folder.cut_scalars(step)
        self.file = folder.scalars_file.open("a")
        self.events = events
        self.batch_size = batch_size
        self.since: tuple[float, int] | None = None
        self.waiting: list[tuple[float, dict[str, float]]] = []
        self.due = 0.0

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        """Adds the row of a logged step, with the images per second since the previous row."""
        if scalars is None:
            return
        moment, drawn = time.perf_counter(), training.batches.drawn
        if self.since is not None:
            images = (drawn - self.since[1]) * self.batch_size
            scalars["speed/images_per_second"] = images / (moment - self.since[0])
        self.since = moment, drawn
        row = {"step": training.step, "epoch": round(training.batches.epoch, 4), **scalars}
        self.waiting.append((time.time(), row))
        if moment >= self.due:
            self.write()
            self.due = moment + self.SECONDS

    def write(self) -> None:
        """Writes the buffered rows."""
        rows, self.waiting = self.waiting, []
        self.file.write("".join(json.dumps(row) + "\n" for _, row in rows))
        self.file.flush()
        for moment, row in rows:
            scalars = {tag: value for tag, value in row.items() if tag not in ("step", "epoch")}
            self.events.add_scalars(int(row["step"]), scalars, moment)
        self.events.flush()

    def keep(self) -> None:
        """Writes the buffered rows, and returns when all rows are on the disk."""
        self.write()
        os.fsync(self.file.fileno())

    def close(self) -> None:
        """Writes the buffered rows and closes the file."""
        try:
            self.write()
        finally:
            self.file.close()


class Grids:
    """Draws a picture of samples, always from the same noise, with one column per class; as PNG and in TensorBoard."""

    def __init__(self, folder: RunFolder, events: EventFile, experiment: Experiment, every: int) -> None:
        self.folder = folder
        self.events = events
        self.experiment = experiment
        self.every = every

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        del scalars
        if training.step == 1 or training.step % self.every == 0 or training.step == self.experiment.total_steps:
            self.draw(training)

    def draw(self, training: Training) -> None:
        """Draws and writes one picture."""
        samples, inputs = self.experiment.draw_shown(training.streams.fresh("sampling"))
        columns = self.experiment.picture_columns
        picture = self.experiment.picture(samples, columns, f"step {training.step:,}", inputs)
        png = to_png(picture)
        write_atomically(self.folder.samples / f"step-{training.step:08d}.png", png)
        self.events.add_image(training.step, "samples", png, picture.shape[:2])


class Watch:
    """Keeps the diagnosis of a run up to date.

    Args:
        diagnosis: the diagnosis, to which logged rows are added.
        folder: the run folder, whose rows up to `step` are added first.
        step: step at which the run begins or resumes.
        every: steps between two evaluations of the diagnosis.
    """

    def __init__(self, diagnosis: Diagnosis, folder: RunFolder, step: int, every: int) -> None:
        self.diagnosis = diagnosis
        for row in folder.scalars():
            if row["step"] <= step:
                diagnosis.add(int(row["step"]), row)
        self.every = every
        self.next = 0
        self.shown = ""

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        """Adds the scalars of a logged step; evaluates the diagnosis if it is due."""
        if scalars is None:
            return
        self.diagnosis.add(training.step, scalars)
        if training.step >= self.next:
            self.next = training.step + self.every
            self.shown = self.line()

    def line(self) -> str:
        """The first current finding: verdict, then first step (cut off on narrow screens); empty if there is none."""
        return "".join(f"{found.verdict}  since step {found.since:,}" for found in self.diagnosis.findings()[:1])


class Checkpoints:
    """Saves checkpoints: first the logged rows, then the state of the training; then it calls `saved`.

    It keeps the newest checkpoints and the best one: that of the step with the best measured outcome, not before the
    first regular checkpoint.

    Args:
        folder: the run folder.
        config: the configuration: interval, number and outcome, and the settings that each checkpoint records.
        log: the log whose rows are written first.
        step: step at which the run begins or resumes.
        saved: called after each checkpoint, with the step of the best one, or None.
    """

    def __init__(
        self, folder: RunFolder, config: Config, log: ScalarLog, step: int, saved: Callable[[int | None], None]
    ) -> None:
        self.folder = folder
        self.log = log
        self.saved = saved
        self.every = config.checkpoint_every
        self.count = config.keep_checkpoints
        self.settings = identity(config)
        # If a comparison uses the best checkpoint, it is chosen on separate samples, not on those of the outcome.
        selected = config.compare.checkpoint == "best"
        self.outcome = "selection/sliced_wasserstein" if selected else config.compare.outcome
        self.sign = 1 if selected or lower_is_better(self.outcome, own_names(folder.info())) else -1
        self.best: tuple[float, int] | None = None
        self.last = step
        self.settled = 0  # the last step passed to `saved`; not `step`, since a killed process may not have called it
        for row in folder.scalars():
            if row["step"] <= step and folder.checkpoint(int(row["step"])).is_dir():
                self._improves(int(row["step"]), row)

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        """Saves a checkpoint at the regular interval, and whenever the outcome is the best so far."""
        if self._improves(training.step, scalars or {}) or training.step % self.every == 0:
            self.save(training)

    def _improves(self, step: int, scalars: Mapping[str, float]) -> bool:
        if step < self.every or self.outcome not in scalars:
            return False
        value = self.sign * scalars[self.outcome]
        if self.best is not None and value >= self.best[0]:
            return False
        self.best = value, step
        return True

    def save(self, training: Training) -> None:
        """Saves a checkpoint of this step, unless it was just saved or restored.

        Raises:
            NotFinite: some weights are not finite; the previous checkpoint remains the newest.
            OSError: the checkpoint cannot be written; the previous ones remain.
        """
        if training.step == self.settled:
            return
        if training.step != self.last:
            training.check_weights()
            self.log.keep()
            path = self.folder.checkpoint(training.step)
            checkpoint.write(path, training.tensors(), training.counts(), self.settings)
            self.last = training.step
        best = None if self.best is None else self.best[1]
        present = self.folder.checkpoints()
        steps = [int(path.name.removeprefix("step-")) for path in present]
        regular = [step for step in steps if step % self.every == 0 or step == self.last]
        kept = {*regular[-self.count :], *(() if best is None else (best,))}
        checkpoint.keep(self.folder.checkpoints_dir, present, {self.folder.checkpoint(step).name for step in kept})
        self.saved(best)
        self.settled = training.step


class Reports:
    """Calls `send` with (step, text) for the progress display, at each logged step; the text starts with a finding."""

    def __init__(self, send: Callable[[int, str], None], watch: Watch) -> None:
        self.send = send
        self.watch = watch

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        if scalars is not None:
            self.send(training.step, "  ".join(filter(None, [self.watch.shown, summary(scalars)])))


def summary(scalars: dict[str, Any]) -> str:
    """The most important scalars of a logged step, on one line."""
    shown = [
        ("D loss", "loss/discriminator", ".3f"),
        ("G loss", "loss/generator", ".3f"),
        ("D(x)", "score/real", ".2f"),
        ("D(G(z))", "score/fake", ".2f"),
        ("modes", "modes/covered", ".0f"),
        ("images/s", "speed/images_per_second", ",.0f"),
    ]
    return "  ".join(f"{label} {scalars[tag]:{form}}" for label, tag, form in shown if tag in scalars)
