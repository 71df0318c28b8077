"""The gradient evidence: the generator's gradient under each form of J(G), at the same weights."""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ganctl.losses.logistic import minimax_generator, nonsaturating_generator, swapped_generator
from ganctl.scores import SURE

FORMS: dict[str, Callable[[Tensor | None, Tensor], Tensor]] = {
    "minimax": minimax_generator,
    "swapped": swapped_generator,
    "nonsaturating": nonsaturating_generator,
}

QUANTILES = (5, 50, 95)


def gradient_evidence(
    real: Tensor, fake: Tensor, parameters: Sequence[Tensor], own: Callable[[Tensor | None, Tensor], Tensor]
) -> dict[str, Tensor]:
    """The gradient of each form of J(G) on one batch, whichever form the generator is trained with.

    Args:
        real: logits [N] of real samples.
        fake: logits [N] of generated samples, with their graph.
        parameters: the generator's parameters.
        own: the run's own J(G), (real_logits, fake_logits) -> scalar.

    Returns: scalars by tag, under `evidence/`. `norm_<form>`: norm of the gradient with respect to `parameters`;
    `cosine_<form>_<form>`: cosine between two of these gradients, absent if one is zero; `slope_<form>_q05`, `_q50` and
    `_q95`: quantiles over the batch of N |dJ/dlogit|, the slope of a single sample's term (Goodfellow et al. 2014,
    arXiv:1406.2661, section 3: D for minimax, 1 - D for the non-saturating form); `accuracy_real`, `accuracy_fake`:
    shares of the batch on the correct side of a logit of 0; `sure_share`: share of samples with D(G(z)) < 0.01.
    """
    count = len(fake)
    found: dict[str, Tensor] = {}
    gradients: dict[str, Tensor] = {}
    levels = torch.tensor([level / 100 for level in QUANTILES], device=fake.device)
    for name, objective in {**FORMS, "own": own}.items():
        (slope,) = torch.autograd.grad(objective(real, fake), fake, retain_graph=True)
        parts = torch.autograd.grad(fake, parameters, slope, retain_graph=True)
        gradients[name] = torch.cat([part.flatten() for part in parts]).double()
        found[f"evidence/norm_{name}"] = gradients[name].norm()
        quantiles = torch.quantile((count * slope).abs().float(), levels)
        found |= {f"evidence/slope_{name}_q{level:02d}": q for level, q in zip(QUANTILES, quantiles, strict=True)}
    for one, other in itertools.combinations(FORMS, 2):
        product = found[f"evidence/norm_{one}"] * found[f"evidence/norm_{other}"]
        if product > 0:
            found[f"evidence/cosine_{one}_{other}"] = gradients[one] @ gradients[other] / product
    found["evidence/accuracy_real"] = (real > 0).float().mean()
    found["evidence/accuracy_fake"] = (fake < 0).float().mean()
    found["evidence/sure_share"] = (fake.sigmoid() < SURE).float().mean()
    return {tag: value.detach().float() for tag, value in found.items()}
