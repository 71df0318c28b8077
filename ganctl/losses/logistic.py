"""Cross-entropy: the losses of the first GAN paper, and variants from tutorials.

With r = D's logit on real data, f = its logit on generated data, sp = softplus and E the mean over a batch:

    -log D(x) = sp(-r)      -log(1 - D(G(z))) = sp(f)      log D(G(z)) = -sp(-f)

Softplus keeps value and gradient exact at any logit; the logarithm of a sigmoid does neither.
"""

from torch import Tensor
from torch.nn.functional import softplus

from ganctl.losses.adversarial import AdversarialLoss


def halved(objective: Tensor, half: bool) -> Tensor:
    """The objective, or half of it: the convention of some papers and much code for a sum of two terms."""
    return objective / 2 if half else objective


def cross_entropy(real_logits: Tensor, fake_logits: Tensor, label_smoothing: float = 0.0, half: bool = False) -> Tensor:
    """J(D) = -E log D(x) - E log(1 - D(G(z))), the sum, not its half. It is 2 ln 2 where D cannot tell.

    Source: Goodfellow et al. 2014 (arXiv:1406.2661), eq. 1, negated.

    Args:
        label_smoothing: s in [0, 1): the target of real samples is 1 - s, that of generated ones stays 0 (one-sided:
            Salimans et al. 2016, arXiv:1606.03498, section 3.4). With target t, -t log D - (1 - t) log(1 - D) =
            sp(-r) + (1 - t) r.
        half: whether to take half of the sum (Goodfellow 2016, arXiv:1701.00160, eq. 8).
    """
    objective = softplus(-real_logits).mean() + softplus(fake_logits).mean()
    if label_smoothing:
        objective = objective + label_smoothing * real_logits.mean()
    return halved(objective, half)


def minimax_generator(
    real_logits: Tensor | None, fake_logits: Tensor, label_smoothing: float = 0.0, half: bool = False
) -> Tensor:
    """J(G) = -J(D) = E log D(x) + E log(1 - D(G(z))), so that J(G) + J(D) = 0.

    dJ/df = -D(G(z)) for one sample: the gradient vanishes exactly where D is sure that the sample is fake.
    Source: Goodfellow et al. 2014 (arXiv:1406.2661), eq. 1.
    """
    if real_logits is None:
        return halved(-softplus(fake_logits).mean(), half)
    return -cross_entropy(real_logits, fake_logits, label_smoothing, half)


def swapped_generator(real_logits: Tensor | None, fake_logits: Tensor, half: bool = False) -> Tensor:
    """J(G) = -E log(1 - D(x)) - E log D(G(z)): J(D) with real and fake exchanged. Never negative.

    Its gradient is the non-saturating one; only its value differs, by the real term.
    Source: the reading of "-J(D)" as "D's loss on flipped labels" in tutorial code.
    """
    if real_logits is None:
        return nonsaturating_generator(None, fake_logits, half)
    return cross_entropy(fake_logits, real_logits, half=half)


def nonsaturating_generator(real_logits: Tensor | None, fake_logits: Tensor, half: bool = False) -> Tensor:
    """J(G) = -E log D(G(z)).

    dJ/df = D(G(z)) - 1 for one sample: the gradient is largest exactly where D is sure that the sample is fake.
    Source: Goodfellow et al. 2014 (arXiv:1406.2661), section 3, last paragraph; halved in Goodfellow 2016
    (arXiv:1701.00160), eq. 13.
    """
    del real_logits
    return halved(softplus(-fake_logits).mean(), half)


ROWS = {
    "minimax": AdversarialLoss(
        cross_entropy,
        minimax_generator,
        "Goodfellow et al. 2014, eq. 1",
        real_in_generator="constant",
        log_odds=True,
    ),
    "minimax_swapped": AdversarialLoss(
        cross_entropy, swapped_generator, "J(D) with labels swapped", real_in_generator="constant", log_odds=True
    ),
    "nonsaturating": AdversarialLoss(
        cross_entropy,
        nonsaturating_generator,
        "Goodfellow et al. 2014, section 3",
        real_in_generator="absent",
        log_odds=True,
    ),
}
