"""Compiling networks with torch.compile."""

import importlib.util
import os
import shutil
import sys
import warnings

import torch
from torch import nn

from ganctl.errors import BadInput
from ganctl.models.layers import Dropout


def compile_networks(networks: dict[str, nn.Module], device: torch.device) -> None:
    """Compiles the networks; `Training` enables compiled code only in players' turns. On a GPU it uses CUDA graphs.

    If a head uses a discriminator's features, `features` and `logit` are called instead of `forward` and stay eager.

    Raises:
        BadInput: there is no compiler for the code that torch generates.
    """
    _check_compiler(device)
    # torch itself reads .grad of a tensor at the graph break after dropout.
    warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf", UserWarning)
    torch.compiler.set_stance("force_eager")  # outside of turns
    for network in networks.values():
        for layer in network.modules():
            if isinstance(layer, Dropout):  # its random numbers come from numpy
                layer.forward = torch.compiler.disable(layer.forward)  # type: ignore[method-assign]
        network.compile(dynamic=False, mode="reduce-overhead" if device.type == "cuda" else "default")


def _check_compiler(device: torch.device) -> None:
    """Raises BadInput if there is no C++ compiler (for a CPU), or no triton or no C compiler (for a GPU)."""
    compilers = [os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")]  # as torch does
    if device.type == "cuda":  # as triton does
        compilers = [os.environ["CC"]] if os.environ.get("CC") else ["gcc", "clang"]
        if importlib.util.find_spec("triton") is None:
            raise BadInput(
                "compile=true: there is no triton; install it with `pip install triton`, or use compile=false"
            )
    if not any(map(shutil.which, compilers)):
        raise BadInput(
            f"compile=true: there is no {' or '.join(compilers)} on this machine; install it, or use compile=false"
        )
