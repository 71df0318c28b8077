"""Every loss written down a second time, by hand: value and derivatives as numpy functions of the logits r and f.

Each formula is the paper's own, with the sigmoid and its powers spelled out, so that nothing is shared with the code
under test. Gradients are those of means over n samples: the per-sample derivative over n.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def log_sigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


@dataclass(frozen=True)
class Form:
    """J(D), dJ(D)/dr, dJ(D)/df, J(G), dJ(G)/df, each (r, f) -> number or array."""

    name: str
    d: Any
    d_r: Any
    d_f: Any
    g: Any
    g_f: Any
    options: dict = field(default_factory=dict)

    @property
    def id(self):
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.options.items())])


def of_each(name, d_real, d_real_slope, d_fake, d_fake_slope, g, g_slope, g_real=None, scale=1.0, **options):
    """A loss that is a sum over single samples."""
    return Form(
        name,
        d=lambda r, f: scale * (np.mean(d_real(r)) + np.mean(d_fake(f))),
        d_r=lambda r, f: scale * d_real_slope(r) / len(r),
        d_f=lambda r, f: scale * d_fake_slope(f) / len(f),
        g=lambda r, f: scale * (np.mean(g(f)) + (np.mean(g_real(r)) if g_real else 0)),
        g_f=lambda r, f: scale * g_slope(f) / len(f),
        options=options,
    )


BCE = (lambda r: -log_sigmoid(r), lambda r: sigmoid(r) - 1, lambda f: -log_sigmoid(-f), lambda f: sigmoid(f))
LOG_ONE_MINUS_D = (lambda f: log_sigmoid(-f), lambda f: -sigmoid(f))
MINUS_LOG_D = (lambda f: -log_sigmoid(f), lambda f: sigmoid(f) - 1)
ONE = np.ones_like


def squares(a, b, c, **options):
    return of_each(
        "least_squares",
        lambda r: (r - b) ** 2 / 2, lambda r: r - b, lambda f: (f - a) ** 2 / 2, lambda f: f - a,
        lambda f: (f - c) ** 2 / 2, lambda f: f - c, **options,
    )  # fmt: skip


def probability_squares(**options):
    return of_each(
        "mean_squared_error",
        lambda r: (sigmoid(r) - 1) ** 2, lambda r: -2 * (1 - sigmoid(r)) ** 2 * sigmoid(r),
        lambda f: sigmoid(f) ** 2, lambda f: 2 * sigmoid(f) ** 2 * (1 - sigmoid(f)),
        lambda f: (sigmoid(f) - 1) ** 2, lambda f: -2 * (1 - sigmoid(f)) ** 2 * sigmoid(f), **options,
    )  # fmt: skip


def divergence(name, t, t_slope, conjugate, conjugate_slope):
    return of_each(
        name, lambda r: -t(r), lambda r: -t_slope(r), conjugate, conjugate_slope,
        lambda f: -conjugate(f), lambda f: -conjugate_slope(f),
    )  # fmt: skip


# phi(m) and phi'(m) of the relativistic forms.
PHI = {
    "logistic": (lambda m: -log_sigmoid(m), lambda m: sigmoid(m) - 1),
    "least_squares": (lambda m: (m - 1) ** 2, lambda m: 2 * (m - 1)),
    "hinge": (lambda m: np.maximum(0, 1 - m), lambda m: -(m < 1.0).astype(float)),
}


def paired(form):
    phi, slope = PHI[form]
    return Form(
        "relativistic_paired",
        d=lambda r, f: np.mean(phi(r - f)),
        d_r=lambda r, f: slope(r - f) / len(r),
        d_f=lambda r, f: -slope(r - f) / len(r),
        g=lambda r, f: np.mean(phi(f - r)),
        g_f=lambda r, f: slope(f - r) / len(r),
        options={"form": form},
    )


def average(form, scale=1.0, **options):
    phi, slope = PHI[form]
    return Form(
        "relativistic_average",
        d=lambda r, f: scale * (np.mean(phi(r - f.mean())) + np.mean(phi(r.mean() - f))),
        d_r=lambda r, f: scale * (slope(r - f.mean()) + slope(r.mean() - f).mean()) / len(r),
        d_f=lambda r, f: -scale * (slope(r - f.mean()).mean() + slope(r.mean() - f)) / len(f),
        g=lambda r, f: scale * (np.mean(phi(f - r.mean())) + np.mean(phi(f.mean() - r))),
        g_f=lambda r, f: scale * (slope(f - r.mean()) + slope(f.mean() - r).mean()) / len(f),
        options={"form": form, **options},
    )


LN2 = np.log(2)
FORMS = [
    of_each("minimax", *BCE, *LOG_ONE_MINUS_D, g_real=lambda r: log_sigmoid(r)),
    of_each("minimax", *BCE, *LOG_ONE_MINUS_D, g_real=lambda r: log_sigmoid(r), scale=0.5, half=True),
    of_each("minimax_swapped", *BCE, *MINUS_LOG_D, g_real=lambda r: -log_sigmoid(-r)),
    of_each("minimax_swapped", *BCE, *MINUS_LOG_D, g_real=lambda r: -log_sigmoid(-r), scale=0.5, half=True),
    of_each("nonsaturating", *BCE, *MINUS_LOG_D),
    of_each("nonsaturating", *BCE, *MINUS_LOG_D, scale=0.5, half=True),
    of_each(
        "nonsaturating",
        lambda r: -0.9 * log_sigmoid(r) - 0.1 * log_sigmoid(-r), lambda r: sigmoid(r) - 0.9, *BCE[2:], *MINUS_LOG_D,
        label_smoothing=0.1,
    ),
    squares(0, 1, 1),
    squares(-1, 1, 0, fake_code=-1.0, real_code=1.0, generator_code=0.0),
    probability_squares(),
    probability_squares(scale=0.5, half=True),
    of_each("wasserstein", lambda r: -r, lambda r: -ONE(r), lambda f: f, ONE, lambda f: -f, lambda f: -ONE(f)),
    of_each(
        "hinge",
        lambda r: np.maximum(0, 1 - r), lambda r: -(r < 1.0).astype(float),
        lambda f: np.maximum(0, 1 + f), lambda f: (f > -1.0).astype(float),
        lambda f: -f, lambda f: -ONE(f),
    ),
    *(paired(form) for form in PHI),
    *(average(form) for form in PHI),
    average("logistic", scale=0.5, half=True),
    divergence("fgan_kl", lambda v: v, ONE, lambda v: np.exp(v - 1), lambda v: np.exp(v - 1)),
    divergence("fgan_reverse_kl", lambda v: -np.exp(-v), lambda v: np.exp(-v), lambda v: v - 1, ONE),
    divergence("fgan_pearson", lambda v: v, ONE, lambda v: v**2 / 4 + v, lambda v: v / 2 + 1),
    divergence(
        "fgan_squared_hellinger", lambda v: 1 - np.exp(-v), lambda v: np.exp(-v), lambda v: np.exp(v) - 1, np.exp
    ),
    divergence(
        "fgan_jensen_shannon",
        lambda v: LN2 + log_sigmoid(v), lambda v: 1 - sigmoid(v), lambda v: -log_sigmoid(-v) - LN2, sigmoid,
    ),
    divergence(
        "fgan_total_variation",
        lambda v: np.tanh(v) / 2, lambda v: 1 / (2 * np.cosh(v) ** 2),
        lambda v: np.tanh(v) / 2, lambda v: 1 / (2 * np.cosh(v) ** 2),
    ),
    # L(x) = -r, L(G) = -f.
    of_each(
        "ebgan",
        lambda r: -r, lambda r: -ONE(r), lambda f: np.maximum(0, 2 + f), lambda f: (f > -2.0).astype(float),
        lambda f: -f, lambda f: -ONE(f), margin=2.0,
    ),
    of_each(
        "began",
        lambda r: -r, lambda r: -ONE(r), lambda f: 0 * f, lambda f: 0 * f, lambda f: -f, lambda f: -ONE(f),
    ),
]  # fmt: skip
