"""Writes TensorBoard's event files, without a thread. Imports no torch.

TensorBoard's own writer works in a thread, so an error such as a full disk is only printed, and never raised.
"""

import os
import socket
import time
import warnings
from collections.abc import Mapping
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # tensorboard's own imports warn about its own dependencies
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter


class EventFile:
    """One event file in a folder. Each process that resumes a run adds a file; TensorBoard reads them sorted by name.

    Args:
        folder: created if missing.
        purge_step: events of earlier files at this step or later are discarded; None: all are kept.

    Raises:
        OSError: the folder cannot be written. Every method may raise it.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        seconds, fraction = f"{time.time():.6f}".split(".")
        name = f"events.out.tfevents.{seconds:0>10}.{fraction}.{socket.gethostname()}.{os.getpid()}"
        self._file = (folder / name).open("xb")
        self._records = RecordWriter(self._file)
        self._add(Event(wall_time=time.time(), step=purge_step or 0, file_version="brain.Event:2"))
        if purge_step is not None:
            self._add(Event(wall_time=time.time(), step=purge_step, session_log=SessionLog(status=SessionLog.START)))
        self.flush()

    def add_scalars(self, step: int, scalars: Mapping[str, float], moment: float) -> None:
        """Adds the scalars {tag: value} of a step. `moment` is their time in seconds since 1970."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._add(Event(wall_time=moment, step=step, summary=Summary(value=values)))

    def add_image(self, step: int, tag: str, png: bytes, size: tuple[int, int]) -> None:
        """Adds a picture, given as a PNG file's content and its (height, width)."""
        height, width = size
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
        self._add(Event(wall_time=time.time(), step=step, summary=Summary(value=[Summary.Value(tag=tag, image=image)])))

    def _add(self, event: Event) -> None:
        self._records.write(event.SerializeToString())

    def flush(self) -> None:
        """Passes buffered events to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
