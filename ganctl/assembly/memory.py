"""Whether the networks fit into the memory of this machine, before any is made."""

from collections.abc import Callable

import torch
from torch import nn

from ganctl.errors import BadInput
from ganctl.numerics.machine import memory_of
from ganctl.numerics.streams import Streams


def check_memory(
    factories: dict[str, Callable[[], nn.Module]], streams: Streams, copies: int, stored: int | None
) -> None:
    """Raises BadInput where the weights of the networks are more than there can be, before any is made.

    Args:
        copies: how often they are kept: the weights, and in training their gradients and two numbers of the optimizer.
        stored: bytes of those that they will be given, if any.
    """
    size = 0
    for name, factory in factories.items():
        try:
            with streams.initial_weights(name), torch.device("meta"):  # sizes without numbers
                network = factory()
        except BadInput:
            raise
        except Exception:  # of a plugin's network that is none without its numbers
            continue
        size += sum(weight.numel() * weight.element_size() for weight in network.parameters())
    if stored is not None and size > stored:
        raise BadInput(
            f"model: its networks have {size:,} bytes of weights and the checkpoint has {stored:,}, so it belongs to "
            "other networks than config.yaml and run.json describe; name the run it came from"
        )
    there = memory_of(streams.device)
    if copies * size > there:
        raise BadInput(
            f"model: its networks need {copies * size / 2**30:,.1f} GB for their weights"
            f"{' and what follows them' if copies > 1 else ''}, and there are {there / 2**30:,.1f} GB here; use "
            "smaller widths, a smaller latent_dim or smaller images"
        )
