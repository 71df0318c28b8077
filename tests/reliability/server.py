"""What forks a process for each run: everything a run imports is there already, so that it costs its own work alone.

It reads one JSON request a line and answers with one. A forked process goes on as `python -m ganctl` would: the same
function is called, and whatever it leaves uncaught ends it.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn


def serve() -> None:
    """Answers until its input ends; returns in each forked process, which has then become that run."""
    requests, replies = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    for line in iter(requests.readline, ""):
        request = json.loads(line)
        if "import" in request:
            reply = _import(request["import"])
        elif "wait" in request:
            ended, status = os.waitpid(request["wait"], os.WNOHANG if request["poll"] else 0)
            reply = os.waitstatus_to_exitcode(status) if ended else None
        else:
            gc.freeze()  # what is here already is never looked at again
            reply = os.fork()
            if reply == 0:
                os.close(requests.fileno())
                os.close(replies.fileno())
                become(request)
                return
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
    os._exit(0)


def _import(names: list[str]) -> int:
    """Imports those of the modules that are there; how many."""
    found = 0
    for name in names:
        try:
            importlib.import_module(name)
            found += 1
        except Exception:
            continue  # what a library tried, and did without
    return found


def become(request: dict) -> None:
    """Takes on the folder, the arguments, the output files and the faults of a request."""
    os.chdir(request["cwd"])
    os.environ.update(request["environment"])
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.argv = ["ganctl", *request["words"]]
    if request["limit"] is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (request["limit"], request["limit"]))
    if request["fault"] is not None:
        folder, kind, nth, trace = request["fault"]
        os.environ["GANCTL_FAULTS"] = f"{folder}:{kind}:{nth}:{trace}"  # for the processes of cells
        if ctypes.CDLL(None).faults_arm(folder.encode(), kind.encode(), ctypes.c_long(nth), trace.encode()):
            raise ValueError(f"{folder}, {kind}: cannot be armed")


def end_as_a_process_would(main: Callable[[], None]) -> NoReturn:
    """Calls `main` and ends with its exit code, or with the traceback of what it left uncaught.

    Python's own way out looks at every object once more, and each look copies a page of what the server has imported.
    """
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    modules = os.environ.get("GANCTL_MODULES")
    if modules:
        Path(modules).write_text(json.dumps([name for name in sys.modules if not name.startswith("__")]))
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    # As much of ganctl as any command needs; the rest is named by the first run.
    for module in ("cli", "commands.train", "commands.sample", "commands.evaluate", "commands.compare_losses"):
        importlib.import_module(f"ganctl.{module}")
    importlib.import_module("torch._dynamo")
    serve()
    end_as_a_process_would(importlib.import_module("ganctl.cli").main)
