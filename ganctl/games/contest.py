"""A discriminator with its adversarial loss and its penalties: the part that all games with a discriminator share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganctl.games.game import Batch
from ganctl.games.payment import Payment, WeightedPenalty
from ganctl.losses import AdversarialLoss, Penalty
from ganctl.losses.logistic import cross_entropy, minimax_generator, nonsaturating_generator
from ganctl.numerics.streams import Streams

View = Callable[[Tensor], Tensor]
Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def whole(samples: Tensor) -> Tensor:
    """The view of a discriminator that sees whole samples."""
    return samples


@dataclass(frozen=True)
class Judged:
    """The output of a discriminator for N samples.

    Attributes:
        samples: the samples after the contest's view, [N, ...].
        logits: one or more logits per sample, flattened, [M].
        condition: the condition of each sample, [N, K]; None if the discriminator takes none.
        features: the discriminator's features, [N, ...], if a head uses them; else None.
    """

    samples: Tensor
    logits: Tensor
    condition: Tensor | None = None
    features: Tensor | None = None


class Contest:
    """A discriminator, its adversarial loss and its penalties. Samples may be images, points or codes.

    Args:
        discriminator: samples [N, ...], and conditions [N, K], to raw logits [N, ...].
        loss: the pair of objectives.
        penalties: regularization terms of J(D), and constraints on the discriminator's weights.
        streams: the run's random streams; penalties and augmentations draw from them.
        name: prefix of the tags that it logs; empty in a game with one contest.
        headed: whether a head uses the discriminator's features.
        view: maps samples to the part that the discriminator sees, such as some frames or a lower resolution. Penalties
            get its output, so that their gradients are with respect to the pixels that the discriminator sees.
        augment: a random augmentation of real and generated samples, applied after the view. Penalties differentiate
            through it, with respect to samples that are not augmented (Karras et al. 2020, arXiv:2006.06676,
            appendix B).

    Attributes:
        memory: numbers that the loss and the penalties keep from turn to turn, updated in place.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        penalties: Sequence[WeightedPenalty],
        streams: Streams,
        name: str = "",
        headed: bool = False,
        view: View = whole,
        augment: Augmentation | None = None,
    ) -> None:
        self.discriminator, self.loss, self.streams = discriminator, loss, streams
        self.name, self.headed, self.view, self.augment = name, headed, view, augment
        self.coupling = coupling_of(discriminator)
        self.payments = [Payment(penalty, place) for place, penalty in enumerate(penalties)]
        first = dict(loss.memory)
        for payment in self.payments:
            first |= payment.memory
        self.memory = {key: torch.tensor(float(value), device=streams.device) for key, value in first.items()}

    @property
    def _repeated(condition: Tensor | None, times: int) -> Tensor | None:
    return condition if condition is None or times == 1 else condition.repeat(times, 1)


def untouched(network: nn.Module, *inputs: Tensor) -> Tensor:
    """The output of the network for `inputs`, as in a turn; batch norm's statistics stay unchanged."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    return functional_call(network, buffers, inputs)
