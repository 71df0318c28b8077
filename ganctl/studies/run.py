"""The life of a run: it is created or resumed, trained and measured, and its end is recorded in its folder."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType

import torch

from ganctl.assembly.compose import build
from ganctl.assembly.reopening import resume
from ganctl.config.identity import identity
from ganctl.config.load import dump, read
from ganctl.config.schema import Config
from ganctl.data import kind_of
from ganctl.errors import BadInput, Interrupted, RunFailed, one_line
from ganctl.evaluation import Evaluator, Told, silent
from ganctl.evaluation.service import evaluator_for
from ganctl.evaluation.wanted import Wanted
from ganctl.games.metric import named_apart
from ganctl.store.events import EventFile
from ganctl.store.files import locked, write_atomically
from ganctl.store.host import machine
from ganctl.store.run import RunFolder
from ganctl.studies.continuing import FINGERPRINTS, fingerprints, placed
from ganctl.studies.record import Record
from ganctl.studies.stopping import StopAsked, handled
from ganctl.terminal.live import Activity
from ganctl.terminal.screen import say
from ganctl.training.experiment import Experiment
from ganctl.training.loop import Hook
from ganctl.training.loop import train as play
from ganctl.watching.hooks import Checkpoints, Grids, Reports, ScalarLog, Watch
from ganctl.watching.measures import Evaluations, Evidence, Modes, Quality

LEAVING = 120.0  # seconds in which a cell must stop after its comparison was killed


Show = Callable[[int | None, str], None]


def move_data(folder: RunFolder, config: Config) -> None:
    """Updates the places in the run's config.yaml if data or weights have moved, since `evaluate` reads them there."""
    before = read(folder.config)
    places = [(getattr(each.data, "root", None), getattr(each.game, "content_file", None)) for each in (before, config)]
    if places[0] != places[1]:
        try:
            write_atomically(folder.config, dump(replace(before, data=config.data, game=config.game)))
        except OSError as error:
            raise folder.refused(error) from None


def create(path: Path, config: Config, experiment: Experiment) -> RunFolder:
    """Creates the folder of a new run. Its config.yaml records the actual device and number of CPU threads."""
    device = str(experiment.training.streams.device)
    config = replace(placed(config), device=device, threads=torch.get_num_threads())
    # A plugin's data set may lack these attributes.
    left_out, files, names = (getattr(experiment.dataset, name, None) for name in ("left_out", "files", "class_names"))
    stages = [list(stage) for stage in experiment.training.game.stages]
    beside = experiment.shown_beside
    return RunFolder.create(
        path,
        dump(config),
        seed=config.seed,
        device=device_name(experiment),
        threads=torch.get_num_threads(),
        machine={**machine(), "vectors": torch.backends.cpu.get_cpu_capability()},
        plugins=identity(config)["plugins"],
        **fingerprints(experiment.dataset),
        sample_shape=list(experiment.dataset.shape),
        classes=experiment.dataset.classes,
        log_odds=experiment.log_odds,
        papers=experiment.papers,
        images_seen=0,
        seconds=0.0,
        error=None,
        **({"left_out": left_out} if left_out else {}),
        **({"files": files} if files else {}),
        **({"stages": stages} if stages else {}),
        **({"shown_beside": beside} if beside else {}),
        **({"class_names": list(names)} if names else {}),
    )


def check_same_data(folder: RunFolder, experiment: Experiment) -> None:
    """Raises BadInput if the data have changed since the run began; older runs did not record their labels."""
    before, now = folder.info(), fingerprints(experiment.dataset)
    changed = [key for key in FINGERPRINTS if before.get(key) not in (None, now.get(key))]
    if changed:
        what = "data set has" if "data_fingerprint" in changed else "labels of the data set have"
        way = "give data.root=DIR where it is" if getattr(experiment.dataset, "files", None) else "put it back"
        raise BadInput(
            f"{folder.path}: the {what} changed since this run began, or this version reads it otherwise; {way}, or "
            "train a new run"
        )


def watching_evaluator(config: Config, experiment: Experiment) -> Evaluator | None:
    """The evaluator that measures the run during training; None if not requested. Slow preparations are displayed."""
    if not config.evaluate_every:
        return None
    with Activity() as activity:
        return evaluator_of(config, experiment, activity.tell)


def evaluator_of(config: Config, experiment: Experiment, told: Told = silent) -> Evaluator:
    """The evaluator for the metrics in the run's configuration.

    Args:
        told: called with a description of the current activity.

    Raises:
        BadInput: the metrics or the features do not exist for such samples.
    """
    wanted = Wanted(config.metrics, config.features, num=config.evaluate_num)
    dataset, device = experiment.dataset, experiment.training.streams.device
    game = experiment.training.game
    try:
        return evaluator_for(config.data, dataset.shape, wanted, device, dataset, game=game, told=told)
    except BadInput as error:  # only `evaluate` has --weights
        finished = "measure the finished run with `ganctl evaluate RUN --weights FILE`"
        raise BadInput(str(error).replace("give --weights FILE", finished)) from None


def run(config: Config, experiment: Experiment, folder: RunFolder, evaluator: Evaluator | None, show: Show) -> None:
    """Trains until the budget is reached, and keeps the run folder consistent at every moment.

    Raises:
        Interrupted: the user stopped the run; its last completed step is saved as a checkpoint.
        RunFailed: numbers were not finite, the code failed, or the disk failed; run.json has the reason.
        BadInput: the folder cannot be written.
    """
    try:
        folder.make_folders()
        folder.remove_unfinished()
        folder.set_reserve()
        record = Record(config, experiment, folder)
        if own := named_apart(experiment.training.game.metrics):  # the report has no plugin from which to read them
            folder.update(own_metrics={name: {"label": row[0], "better": row[1]} for name, row in own.items()})
        if evaluator is not None:
            evaluator.told = partial(show, None)
            protocol, before = evaluator.protocol(experiment.weights), folder.info().get("protocol")
            if before not in (None, protocol):
                say("note: metrics are measured in another way than before, so the curves of the earlier ones go")
                folder.drop_scalars("metric/")  # values of two protocols must not form one curve
            folder.update(protocol=protocol)
    except OSError as error:
        raise folder.refused(error) from None
    with stop_on_signals() as stopped, record.endings():
        _play(config, experiment, folder, evaluator, show, record, stopped)
        if experiment.training.step < experiment.total_steps:
            raise Interrupted


def _play(
    config: Config,
    experiment: Experiment,
    folder: RunFolder,
    evaluator: Evaluator | None,
    show: Show,
    record: Record,
    stopped: Callable[[], bool],
) -> None:
    """Runs the training loop with all hooks, until the budget or until `stopped()`; saves a checkpoint at the end."""
    training, first = experiment.training, experiment.training.step
    begun = first > 0 or folder.tensorboard.exists()  # a run that begins again already has events
    with (
        closing(EventFile(folder.tensorboard, first + 1 if begun else None)) as events,
        closing(ScalarLog(folder, events, first, config.batch_size)) as scalar_log,
    ):
        checkpoints = Checkpoints(folder, config, scalar_log, first, record.saved)
        grids = Grids(folder, events, experiment, config.sample_every)
        watch = Watch(record.diagnosis, folder, first, config.probe_every)
        measures, floor = measures_of(config, experiment, evaluator)
        folder.update(floor={"quality/sliced_wasserstein": floor})
        hooks = [*measures, watch, scalar_log, grids, checkpoints, Reports(show, watch)]
        play(training, experiment.total_steps, config.log_every, hooks, stopped)
        checkpoints.save(training)
        if not folder.grids():
            grids.draw(training)


def measures_of(config: Config, experiment: Experiment, evaluator: Evaluator | None) -> tuple[list[Hook], float]:
    """The hooks that measure a run in addition to the values that its game logs.

    Returns: the hooks, and the floor of the sliced Wasserstein distance: its value between two sets of real samples.
    """
    quality = Quality(experiment, config.sample_every, config.log_every, config.compare.checkpoint == "best")
    measures: list[Hook] = [quality, Evidence(experiment, config.probe_every, config.log_every)]
    if kind_of(experiment.dataset) == "points":
        measures.append(Modes(experiment, config.sample_every, config.log_every))
    if evaluator is not None and config.evaluate_every is not None:
        measures.append(Evaluations(experiment, evaluator, config.evaluate_every, config.log_every))
    return measures, quality.floor


def run_cell(config: Config, path: Path, show: Show) -> int:
    """Trains or resumes a cell in the folder `path`. Returns the exit code; run.json has the reason of a failure."""
    folder = RunFolder(path)
    try:
        # The cell of a killed comparison may still be finishing its step and saving.
        with locked(path, "training this cell", wait=LEAVING):
            _train_cell(config, folder, show)
    except RunFailed:  # run.json has the reason already
        return 1
    except (BadInput, OSError) as error:
        with suppress(OSError):
            folder.update(status="failed", error=one_line(error) if isinstance(error, OSError) else str(error))
        return 1
    except Interrupted:
        return 130
    except KeyboardInterrupt:
        with suppress(OSError):
            folder.update(status="interrupted")
        return 130
    return 0


def _train_cell(config: Config, folder: RunFolder, show: Show) -> None:
    if folder.info().get("status") == "completed":  # by the process that had the lock before
        return
    begun = folder.config.is_file() and bool(folder.info())
    folder.update(status="running", error=None)
    experiment = build(config)
    if begun:
        resume(experiment, folder, read(folder.config))
        check_same_data(folder, experiment)
        move_data(folder, placed(config))
    else:
        folder = create(folder.path, config, experiment)
    evaluator = watching_evaluator(config, experiment)
    run(config, experiment, folder, evaluator, show)


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Within this context the first Ctrl-C, SIGTERM or SIGHUP only requests a stop; the second one stops at once."""
    asked = StopAsked()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        first = not asked()
        if asked.again():
            raise KeyboardInterrupt
        if first:
            say("finishing the step, then saving (again to stop at once)")

    with handled(ask):
        yield asked


def device_name(experiment: Experiment) -> str:
    """The device of a run, with the model of the GPU."""
    device = experiment.training.streams.device
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
