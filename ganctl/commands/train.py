"""`ganctl train`: trains one run in one run folder."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from ganctl.assembly.compose import build
from ganctl.assembly.reopening import resume
from ganctl.config.load import dump
from ganctl.config.schema import Config, option
from ganctl.data import ImageSet
from ganctl.errors import BadInput, Interrupted
from ganctl.evaluation import Evaluator
from ganctl.evaluation.folders import counted
from ganctl.store.files import locked, write_atomically
from ganctl.store.places import expanded, shown, try_to_write, unwritable
from ganctl.store.run import RunFolder
from ganctl.store.runs import find, new_path
from ganctl.studies.continuing import check_measuring
from ganctl.studies.progress import ProgressDisplay
from ganctl.studies.run import check_same_data, create, move_data, run, watching_evaluator
from ganctl.terminal.screen import say
from ganctl.training.experiment import Experiment


def train(config: Config) -> Path:
    """Trains a run with the configuration in a new folder, and returns that folder."""
    output_dir = expanded(config.output_dir, "output_dir")
    try:
        try_to_write(output_dir)
    except OSError as error:
        raise unwritable(output_dir, error) from None
    experiment = build(config)
    check_measuring(config)
    evaluator = watching_evaluator(config, experiment)
    parts = (option(getattr(config, group), "name") for group in ("game", "loss", "data"))
    path = new_path(output_dir, config.name or "-".join(name for name in parts if name != "gan"))
    folder = create(path, config, experiment)
    if isinstance(experiment.dataset, ImageSet) and experiment.dataset.files:
        say(f"data: {counted(experiment.dataset)}")
    with _owned(folder, folder.refused):
        return run_shown(config, experiment, folder, evaluator)


def resume_run(path: Path, config: Config) -> Path:
    """Resumes the run in the folder `path` with a configuration from `continued`, and returns the folder."""
    folder = find(path)
    # If the lock cannot be opened, the folder may be another user's, whose run goes on: run.json stays as it is.
    with _owned(folder, partial(unwritable, folder.path, begun=True)):
        return _resume(folder, config)


@contextmanager
def _owned(folder: RunFolder, refused: Callable[[OSError], BadInput]) -> Iterator[None]:
    """A context in which no other process trains in the folder.

    Args:
        refused: makes the error for a folder whose lock cannot be opened.

    Raises:
        BadInput: another process trains in the folder, or its lock cannot be opened.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder.path, "training this run"))
        except OSError as error:
            raise refused(error) from None
        yield


def _resume(folder: RunFolder, config: Config) -> Path:
    path, experiment = folder.path, build(config)
    resume(experiment, folder, config)
    check_same_data(folder, experiment)
    evaluator = watching_evaluator(config, experiment)
    done, total = experiment.training.step, experiment.total_steps
    if done > total:
        raise BadInput(f"{path}: has done {done:,} steps, more than the {total:,} asked for; name a larger budget")
    if done == total and folder.info().get("status") == "completed":
        move_data(folder, config)
        goes_on = option(config.optim, "schedule", "constant") == "constant"
        say(
            f"{path} is complete at step {total:,}"
            + (f"; --resume {shown(path)} steps={2 * total} would go on" if goes_on else "")
        )
        return path
    try:
        write_atomically(folder.config, dump(config))
        folder.update(status="running", error=None)
    except OSError as error:
        raise folder.refused(error) from None
    say(f"resuming {path} at step {done:,} of {total:,}")
    return run_shown(config, experiment, folder, evaluator)


def run_shown(config: Config, experiment: Experiment, folder: RunFolder, evaluator: Evaluator | None) -> Path:
    """Trains with a progress display, and prints at the end where to find the results."""
    display = ProgressDisplay(experiment.total_steps, experiment.training.step)
    try:
        with closing(display):
            run(config, experiment, folder, evaluator, display.show)
    except Interrupted:
        say(f"stopped at step {experiment.training.step:,}; go on with: ganctl train --resume {shown(folder.path)}")
        raise
    except KeyboardInterrupt:
        step = max((int(path.name.removeprefix("step-")) for path in folder.checkpoints()), default=0)
        say(f"stopped at once; from step {step:,} on go on with: ganctl train --resume {shown(folder.path)}")
        raise
    for found in folder.info().get("findings", []):
        say(f"{found['verdict']} since step {found['since']:,}: {found['because']}")
    say(f"samples: {folder.grids()[-1]}")
    say(f"curves:  tensorboard --logdir {shown(folder.tensorboard)}")
    return folder.path
