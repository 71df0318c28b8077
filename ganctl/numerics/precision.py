"""The precision of the players' turns in training. Everything else, such as evaluation, is in float32."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch

from ganctl.errors import BadInput


@dataclass(frozen=True)
class Precision:
    """The contexts that set the precision of a player's turn.

    Attributes:
        turn: creates the context of a whole turn, backward pass and penalties included.
        forward: creates the context of the turn's forward passes only.
    """

    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    forward: Callable[[], AbstractContextManager[None]] = nullcontext


FP32 = Precision()


def single_precision() -> None:
    """Makes matrix products and convolutions use all 24 bits of float32, as a CPU does.

    By default torch allows cuDNN's convolutions on NVIDIA GPUs since Ampere to drop 13 of them, but not products.
    """
    _tensor_float(False)


def precision(name: str, device: torch.device) -> Precision:
    """The contexts for the precision `name` on `device`. Weights, gradients and optimizer states are always float32.

    Args:
        name: fp32; tf32: products and convolutions round their operands to 10 bits of mantissa and accumulate in
            float32 (TensorFloat-32: NVIDIA A100 whitepaper, 2020); bf16: forward passes run in bfloat16, with 7 bits
            of mantissa, for the operations that `torch.autocast` covers.

    Raises:
        BadInput: the device does not support the precision.
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
    """A context in which an NVIDIA GPU computes matrix products and convolutions in TensorFloat-32."""
    _tensor_float(True)
    try:
        yield
    finally:
        _tensor_float(False)


def _tensor_float(allowed: bool) -> None:
    # torch.compile reads these two settings, and fails if the newer ones of torch 2.9 were used as well.
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    torch.backends.cudnn.allow_tf32 = allowed
