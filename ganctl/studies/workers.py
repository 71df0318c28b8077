"""The server that forks the processes of cells. Imports no torch."""

import multiprocessing
import signal
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext


def start_server() -> ForkServerContext:
    """Starts a server process that imports torch once and then forks a process per cell within milliseconds.

    Returns: the multiprocessing context that creates those processes. Later calls use the same server.
    """
    context = multiprocessing.get_context("forkserver")
    # torch imports its compiler when the first optimizer is created; without the preload every cell would do that.
    context.set_forkserver_preload(["ganctl.studies.run", "torch._dynamo"])
    # A Ctrl-C on the terminal is meant for the comparison's process only. The server ignores it while it serves; this
    # makes it ignore Ctrl-C from its first import on.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
    return context
