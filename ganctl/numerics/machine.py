"""The machine that a run is on: its device, how its processor computes, how much memory there is."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ganctl.config.schema import Config
from ganctl.errors import BadInput
from ganctl.numerics.precision import single_precision
from ganctl.store.host import available_cores, available_memory

# Of glibc's mallopt: how much free memory stays at the end of the heap, and how large a tensor may be to lie there.
M_TOP_PAD, M_MMAP_THRESHOLD = -2, -3


def prepare_machine(config: Config) -> torch.device:
    """Sets the process up for a run and gives its device.

    Raises:
        BadInput: the device is not on this machine.
    """
    # When a saturating loss dies, gradients become subnormal numbers, on which a CPU is ten times slower. Threads
    # inherit this setting, so it comes before the first parallel operation.
    torch.set_flush_denormal(True)
    _keep_freed_memory()
    torch.set_num_threads(config.threads or available_cores())
    # Kernels that give the same gradient twice, so that a run on a GPU repeats and resumes bit for bit too.
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
    """Inside, so many threads compute, whatever the process has otherwise: on every machine a sum has one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _keep_freed_memory() -> None:
    """Lets the C library keep freed memory instead of giving it back and asking for it again at every step.

    A step of dcgan took and returned thousands of pages, a tenth of its time (docs/performance.md).
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_TOP_PAD, 256 * 2**20)
        library.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)


def memory_of(device: torch.device) -> float:
    """Bytes that this process may have on the device, where the system says."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return available_memory()
