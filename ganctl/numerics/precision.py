"""In which precision the turns of a run's players compute. Everything else, evaluation first of all, is in float32."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch

from ganctl.errors import BadInput


@dataclass(frozen=True)
class Precision:
    """What a turn of a player computes in.

    Attributes:
        turn: makes the context of a whole turn, its backward pass and penalties included.
        forward: makes the context of its forward passes alone.
    """

    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    forward: Callable[[], AbstractContextManager[None]] = nullcontext


FP32 = Precision()


def single_precision() -> None:
    """Lets products and convolutions keep all 24 bits of float32, as a CPU does.

    By default torch lets cuDNN's convolutions drop 13 of them on NVIDIA GPUs since Ampere, and products none.
    """
    _tensor_float(False)


def precision(name: str, device: torch.device) -> Precision:
    """What `name` means on `device`; weights, gradients and an optimizer's numbers are in float32 in any case.

    Args:
        name: fp32; tf32, where products and convolutions round what they multiply to 10 bits of mantissa and add up in
            float32 (TensorFloat-32: NVIDIA A100 whitepaper, 2020); bf16, where forward passes run in bfloat16, which
            has 7 bits of mantissa, as far as `torch.autocast` has it.

    Raises:
        BadInput: the device cannot.
    """
    if name == "bf16":
        return Precision(forward=lambda: torch.autocast(device.type, torch.bfloat16))
    if name == "fp32":
        return FP32
    if device.type != "cuda" or torch.version.cuda is None or torch.cuda.get_device_capability(device) < (8, 0):
        raise BadInput(
            f"precision={name}: needs an NVIDIA GPU of the Ampere generation (2020) or a later one, and this run's "
            f"device is {device}; use precision=fp32"
        )
    return Precision(turn=tensor_float)


@contextmanager
def tensor_float() -> Iterator[None]:
    """Inside, an NVIDIA GPU's products and convolutions are in TensorFloat-32."""
    _tensor_float(True)
    try:
        yield
    finally:
        _tensor_float(False)


def _tensor_float(allowed: bool) -> None:
    # torch.compile reads these two and fails where the newer settings of torch 2.9 were used beside them.
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    torch.backends.cudnn.allow_tf32 = allowed
