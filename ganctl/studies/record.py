"""What run.json says of a run while it goes, and what becomes of it however it ends."""

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

# What run.json says of a run that begins or goes on, whatever it said before.
BEGINNING: dict[str, Any] = {"status": "running", "error": None, "not_finite": False, "verdict": None, "findings": []}


class Record:
    """What run.json says of a run while it goes and when it ends."""

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
        """Of this run so far, whatever stopped it in between."""
        return round(self.spent + time.perf_counter() - self.began, 2)

    def saved(self, best: int | None) -> None:
        """At each checkpoint, so that a run that is killed has its seconds up to there."""
        self.folder.update(step=self.training.step, seconds=self.seconds(), best_step=best)

    def ended(self, status: str, error: BaseException | None = None) -> None:
        """However it ends.

        Raises:
            OSError: it cannot be written down.
        """
        self.folder.free_reserve()
        self.folder.update(
            status=status, error=None if error is None else one_line(error),
            not_finite=isinstance(error, NotFinite), step=self.training.step,
            images_seen=self.training.batches.drawn * self.batch_size, seconds=self.seconds(), ended=now(),
            **self.diagnosis.report(),
        )  # fmt: skip

    def _failed(self, error: BaseException) -> None:
        """That it failed, where that can still be written."""
        with suppress(OSError):
            self.ended("failed", error)

    @contextmanager
    def endings(self) -> Iterator[None]:
        """Inside, whatever goes wrong is written down and becomes the error that the command line knows."""
        path = self.folder.path
        try:
            yield
            self.ended("completed")
        except Interrupted:
            self.ended("interrupted")
            raise
        except KeyboardInterrupt:  # the second Ctrl-C: what came after the last checkpoint is lost
            with suppress(OSError):
                self.ended("interrupted")
            raise
        except NotFinite as error:
            self.diagnosis.fail(self.training.step, str(error))
            self._failed(error)
            raise RunFailed(f"{error}; try a smaller optim.lr or optim.clip_norm=1; {path}/run.json has it") from None
        except OSError as error:  # a full disk, a folder that is gone, a broken disk
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
