"""Where the processes of cells come from. Imports no torch."""

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext


def start_server() -> ForkServerContext:
    """A server process that imports torch once and then forks a process for each cell in milliseconds.

    Returns: the context that makes those processes. The server starts at the first call and serves the later ones.
    """
    context = multiprocessing.get_context("forkserver")
    # torch imports its compiler when the first optimizer is made; so every cell would.
    context.set_forkserver_preload(["ganctl.commands.train", "torch._dynamo"])
    forkserver.ensure_running()
    return context
