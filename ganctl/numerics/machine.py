"""Prepares the machine for a run: the device, settings of torch and the C library, the available memory."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ganctl.config.schema import Config
from ganctl.errors import BadInput
from ganctl.numerics.precision import single_precision
from ganctl.store.host import available_cores, available_memory

# Options of glibc's mallopt: free memory kept at the top of the heap, and the largest block allocated on the heap.
M_TOP_PAD, M_MMAP_THRESHOLD = -2, -3


def prepare_machine(config: Config) -> torch.device:
    """Sets the process up for a run and returns its device.

    Raises:
        BadInput: this machine does not have the device.
    """
    # Under a saturating loss gradients can become subnormal numbers, which make a CPU ten times slower. Threads inherit
    # this setting, so it must be made before the first parallel operation.
    torch.set_flush_denormal(True)
    _keep_freed_memory()
    torch.set_num_threads(config.threads or available_cores())
    # Deterministic kernels, so that a run on a GPU too repeats and resumes bit for bit.
    torch.backends.cudnn.deterministic = True
    single_precision()
    wanted = config.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(wanted)
    available = {
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if not available[device.type]:
        raise BadInput(f"device={config.device}: there is none here; for a new run use device=cpu or device=auto")
    return device


@contextmanager
def threads(count: int) -> Iterator[None]:
    """A context in which torch uses `count` threads, so that sums have the same order on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _keep_freed_memory() -> None:
    """Makes the C library keep freed memory, instead of returning it to the system and requesting it at every step.

    For a step of dcgan these were thousands of pages and a tenth of its time (docs/performance.md).
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_TOP_PAD, 256 * 2**20)
        library.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)


def memory_of(device: torch.device) -> float:
    """Bytes of memory that this process can use on the device; inf if unknown."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return available_memory()
