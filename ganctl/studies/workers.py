"""Where the processes of cells come from. Imports no torch."""

import multiprocessing
import signal
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext


def start_server() -> ForkServerContext:
    """A server process that imports torch once and then forks a process for each cell in milliseconds.

    Returns: the context that makes those processes. The server starts at the first call and serves the later ones.
    """
    context = multiprocessing.get_context("forkserver")
    # torch imports its compiler when the first optimizer is made; so every cell would.
    context.set_forkserver_preload(["ganctl.commands.train", "torch._dynamo"])
    # A Ctrl-C on the terminal is for the comparison alone. The server ignores it once it serves; so it does from its
    # first import on.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
    return context
