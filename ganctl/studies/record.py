"""Keeps run.json up to date during a run, and records how the run ended."""

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ganctl.config.schema import Config
from ganctl.data import Density
from ganctl.errors import Interrupted, NotFinite, RunFailed, one_line
from ganctl.store.places import shown
from ganctl.store.run import RunFolder, now
from ganctl.training.experiment import Experiment
from ganctl.watching.diagnosis import Diagnosis

# The entries that are reset in run.json when a run begins or resumes.
BEGINNING: dict[str, Any] = {"status": "running", "error": None, "not_finite": False, "verdict": None, "findings": []}


class Record:
    """Writes the state of a run to its run.json, while it runs and when it ends."""

    def __init__(self, config: Config, experiment: Experiment, folder: RunFolder) -> None:
        self.training, self.folder, self.batch_size = experiment.training, folder, config.batch_size
        spent = folder.info().get("seconds")
        self.spent = float(spent) if isinstance(spent, (int, float)) else 0.0
        self.began = time.perf_counter()
        modes = len(experiment.dataset.centers) if isinstance(experiment.dataset, Density) else None
        stages = [first for _, first in self.training.game.stages]
        self.diagnosis = Diagnosis(experiment.log_odds, modes, stages)
        folder.update(**BEGINNING, total_steps=experiment.total_steps)

    def seconds(self) -> float:
        """The training time of this run so far in seconds, including the time before it was resumed."""
        return round(self.spent + time.perf_counter() - self.began, 2)

    def saved(self, best: int | None) -> None:
        """Records a checkpoint: step, seconds and best step. So a killed run still has its time up to here."""
        self.folder.update(step=self.training.step, seconds=self.seconds(), best_step=best)

    def ended(self, status: str, error: BaseException | None = None) -> None:
        """Records the end of the run, for whatever reason.

        Raises:
            OSError: run.json cannot be written.
        """
        self.folder.free_reserve()
        self.folder.update(
            status=status, error=None if error is None else one_line(error),
            not_finite=isinstance(error, NotFinite), step=self.training.step,
            images_seen=self.training.batches.drawn * self.batch_size, seconds=self.seconds(), ended=now(),
            **self.diagnosis.report(),
        )  # fmt: skip

    def _failed(self, error: BaseException) -> None:
        """Records a failure, if run.json can still be written."""
        with suppress(OSError):
            self.ended("failed", error)

    @contextmanager
    def endings(self) -> Iterator[None]:
        """A context around the training that records its end and turns any error into one for the command line.

        Raises:
            Interrupted, KeyboardInterrupt: the user stopped the run.
            RunFailed: any other error.
        """
        path = self.folder.path
        try:
            yield
            self.ended("completed")
        except Interrupted:
            self.ended("interrupted")
            raise
        except KeyboardInterrupt:  # the second Ctrl-C: steps after the last checkpoint are lost
            with suppress(OSError):
                self.ended("interrupted")
            raise
        except NotFinite as error:
            self.diagnosis.fail(self.training.step, str(error))
            self._failed(error)
            raise RunFailed(f"{error}; try a smaller optim.lr or optim.clip_norm=1; {path}/run.json has it") from None
        except OSError as error:  # a full disk, a removed folder, a broken disk
            self._failed(error)
            raise RunFailed(
                f"{one_line(error)} (step {self.training.step:,}); mend that, then go on from the last checkpoint "
                f"with: ganctl train --resume {shown(path)}"
            ) from None
        except (Exception, SystemExit) as error:  # a plugin's loss may raise anything
            self._failed(error)
            if isinstance(error, RunFailed):
                raise RunFailed(f"{error}; {path}/run.json has it") from None
            with suppress(OSError):
                (path / "traceback.txt").write_text(traceback.format_exc())
            raise RunFailed(f"{one_line(error)}; see {path}/traceback.txt") from error
