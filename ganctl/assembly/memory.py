"""Checks that the networks fit into memory, before any is built."""

from collections.abc import Callable

import torch
from torch import nn

from ganctl.errors import BadInput
from ganctl.numerics.machine import memory_of
from ganctl.numerics.streams import Streams


def check_memory(
    factories: dict[str, Callable[[], nn.Module]], streams: Streams, copies: int, stored: int | None
) -> None:
    """Raises BadInput if the weights need more memory than there is, or are larger than the stored ones.

    Args:
        factories: factory of each network, by name.
        streams: the run's random streams, for the device.
        copies: copies of the weights in memory: in training, the gradients and two numbers of the optimizer count too.
        stored: size in bytes of the weights that will be loaded; None: none will.
    """
    size = 0
    for name, factory in factories.items():
        try:
            with streams.initial_weights(name), torch.device("meta"):  # sizes without numbers
                network = factory()
        except BadInput:
            raise
        except Exception:  # a plugin's network may need real numbers, which the meta device lacks
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
