"""The machine that a result was computed on, and the versions of its software."""

import contextlib
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

if sys.platform != "win32":
    import resource

PACKAGES = ("ganctl", "torch", "torchvision", "numpy", "hydra-core", "safetensors", "tensorboard")


def versions() -> dict[str, str]:
    """The versions of Python and of the installed packages that a result depends on: {name: version}."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def machine() -> dict[str, str]:
    """The system and the processor: {"system": ..., "processor": ...}. The last digits of a sum may depend on them."""
    found = {"system": platform.platform(), "processor": platform.processor() or platform.machine()}
    with contextlib.suppress(OSError):  # on Linux only this file has the processor's name
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        found["processor"] = next(names, found["processor"])
    return found


def available_cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> float:
    """Bytes of memory that this process can use: the smallest of its limits and the free memory; inf if unknown."""
    limits = [float("inf")]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if sys.platform != "win32":
        limits.append(float(resource.getrlimit(resource.RLIMIT_AS)[0]))
    with contextlib.suppress(OSError, ValueError, StopIteration):  # Linux: free memory, reclaimable caches included
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits.append(1024.0 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))))
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # without a limit the file contains "max"
            limits.append(float(Path(file).read_text()))
    return min(limit for limit in limits if limit > 0)  # -1 means no limit
