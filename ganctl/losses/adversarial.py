"""The two objectives of a GAN, as pure pairs over raw logits: a bigger logit means "more real".

With r = D's logit on real data, f = its logit on generated data, sp = softplus and E the mean over a batch:

    -log D(x) = sp(-r)      -log(1 - D(G(z))) = sp(f)      log D(G(z)) = -sp(-f)

Softplus keeps value and gradient exact at any logit; the logarithm of a sigmoid does neither.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True)
class AdversarialLoss:
    """A pair of objectives, both minimized, both scalars.

    Attributes:
        discriminator: (real_logits, fake_logits) -> J(D).
        generator: (real_logits, fake_logits) -> J(G).
        paper: where the formulas stand.
        real_in_generator: what the real logits are to J(G). "absent": it does not use them. "constant": they enter
            its value but carry no gradient to G, so J(G) may be given None for them and then leaves that term out.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor | None, Tensor], Tensor]
    paper: str
    real_in_generator: Literal["absent", "constant"] = "absent"


def cross_entropy(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """J(D) = -E log D(x) - E log(1 - D(G(z))), the sum, not its half.

    It is 2 ln 2 where D cannot tell. Source: Goodfellow et al. 2014 (arXiv:1406.2661), eq. 1, with its sign turned.
    """
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def minimax_generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """J(G) = -J(D) = E log D(x) + E log(1 - D(G(z))), so that J(G) + J(D) = 0. Never positive.

    dJ/df = -D(G(z)) for a sample: the gradient vanishes exactly where D is sure that the sample is fake.
    Source: Goodfellow et al. 2014 (arXiv:1406.2661), eq. 1.
    """
    generated = -softplus(fake_logits).mean()
    return generated if real_logits is None else generated - softplus(-real_logits).mean()


def swapped_generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """J(G) = -E log(1 - D(x)) - E log D(G(z)): J(D) with real and fake exchanged. Never negative.

    Its gradient is the non-saturating one; only its value differs, by the real term.
    Source: the reading of "-J(D)" as "D's loss on flipped labels" in tutorial code.
    """
    generated = softplus(-fake_logits).mean()
    return generated if real_logits is None else generated + softplus(real_logits).mean()


def nonsaturating_generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """J(G) = -E log D(G(z)).

    dJ/df = D(G(z)) - 1 for a sample: strongest exactly where D is sure that the sample is fake.
    Source: Goodfellow et al. 2014 (arXiv:1406.2661), section 3, last paragraph.
    """
    del real_logits
    return softplus(-fake_logits).mean()


LOSSES: dict[str, AdversarialLoss] = {
    "minimax": AdversarialLoss(
        cross_entropy, minimax_generator, "Goodfellow et al. 2014, eq. 1", real_in_generator="constant"
    ),
    "minimax_swapped": AdversarialLoss(
        cross_entropy, swapped_generator, "J(D) with labels swapped", real_in_generator="constant"
    ),
    "nonsaturating": AdversarialLoss(cross_entropy, nonsaturating_generator, "Goodfellow et al. 2014, section 3"),
}
