"""The Dirac-GAN of Mescheder et al. 2018 (arXiv:1801.04406): data at 0, one generated point theta, D(x) = psi x.

Both players follow their gradients at once, in continuous time. Linearized at (0, 0), the eigenvalues are
-gamma / 2 +- sqrt(gamma^2 / 4 - f'(0)^2) with f'(0) = 1 / 2 and R1's weight gamma.
"""

import math

import pytest
import torch

from ganctl.losses import LOSSES, PENALTIES


def field(loss, penalty, weight, theta, psi):
    """(d theta / dt, d psi / dt) = -(dJ(G) / d theta, dJ(D) / d psi)."""
    theta, psi = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (theta, psi))

    def critic(x):
        return (psi * x).sum(dim=1)

    real, fake = torch.zeros(1, 1, dtype=torch.float64), theta.view(1, 1)
    real_logits, fake_logits = critic(real), critic(fake)
    generator = LOSSES[loss].generator(real_logits, fake_logits)
    discriminator = LOSSES[loss].discriminator(real_logits, fake_logits)
    discriminator = discriminator + weight * PENALTIES[penalty](critic, real, fake)
    (d_theta,) = torch.autograd.grad(generator, theta, retain_graph=True)
    (d_psi,) = torch.autograd.grad(discriminator, psi)
    return -d_theta.item(), -d_psi.item()


def orbit(loss, penalty="none", weight=0.0, start=(0.5, 0.0), time=4 * math.pi, steps=400):
    """The path [(theta, psi)] from `start`, by the classical Runge-Kutta method."""
    torch.manual_seed(0)
    dt, path = time / steps, [start]
    for _ in range(steps):
        x = path[-1]
        slopes = []
        for share in (0, 0.5, 0.5, 1):
            last = slopes[-1] if slopes else (0, 0)
            slopes.append(field(loss, penalty, weight, x[0] + share * dt * last[0], x[1] + share * dt * last[1]))
        path.append(tuple(x[i] + dt / 6 * (k[0] + 2 * k[1] + 2 * k[2] + k[3]) for i, k in
                          enumerate(zip(*slopes, strict=True))))  # fmt: skip
    return path


def radius(point):
    return math.hypot(*point)


def test_unregularized_minimax_keeps_its_distance_exactly():
    # theta^2 + psi^2 is a constant of motion.
    radii = [radius(point) for point in orbit("minimax")]
    assert max(radii) == pytest.approx(0.5, abs=1e-6) and min(radii) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.slow
def test_unregularized_nonsaturating_orbits_and_returns_after_its_period():
    # Near the equilibrium the eigenvalues are +- i/2: a period of 4 pi, after which it is where it began.
    path = orbit("nonsaturating", start=(0.05, 0.0))
    assert path[-1] == pytest.approx((0.05, 0.0), abs=5e-4)
    assert path[len(path) // 4] == pytest.approx((0.0, -0.05), abs=2e-3)  # a quarter turn, D ahead of G
    assert path[len(path) // 2] == pytest.approx((-0.05, 0.0), abs=2e-3)
    # The next order of the field draws it in, but slower than any exponential: R1 would be at e^-50 by then.
    far = orbit("nonsaturating", start=(1.0, 0.0), time=100)
    assert 0.2 < radius(far[-1]) < 0.5
    angles = {math.floor(math.atan2(psi, theta) / (math.pi / 2)) for theta, psi in far}
    assert angles == {-2, -1, 0, 1}  # round and round, through every quadrant


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["minimax", "nonsaturating"])
def test_r1_converges_at_the_rate_of_its_eigenvalues(loss):
    # gamma = 1 is critical damping: both eigenvalues are -1/2, so x(t) = (1 + t / 2) e^(-t / 2) x(0) for theta.
    path = orbit(loss, "r1", weight=1.0, start=(0.01, 0.0), time=8.0, steps=100)
    assert path[-1][0] == pytest.approx((1 + 4) * math.exp(-4) * 0.01, rel=0.02)
    far = orbit(loss, "r1", weight=1.0, start=(0.5, 0.5), time=40.0, steps=100)
    assert radius(far[-1]) < 1e-6
    # Half of gamma leaves oscillations that shrink as e^(-t / 4): R1 with its 1/2 forgotten would fail here.
    slow = orbit(loss, "r1", weight=0.5, start=(0.01, 0.0), time=4 * math.pi / math.sqrt(0.75), steps=100)
    assert slow[-1][0] == pytest.approx(0.01 * math.exp(-math.pi / math.sqrt(0.75)), rel=0.02)


@pytest.mark.slow
def test_wgan_gp_does_not_converge():
    # Its penalty draws |grad D| = |psi| to 1, away from the equilibrium at 0. With Wasserstein's loss and weight 1
    # theta' = psi and psi' = -theta - 2 (psi - 1) while psi > 0; theta - 2 decays as (1 + t) e^-t, to (2, 0).
    start = {"start": (0.3, 0.3), "time": 60.0, "steps": 250}
    assert orbit("wasserstein", "gradient", weight=1.0, **start)[-1] == pytest.approx((2.0, 0.0), abs=1e-6)
    # With the non-saturating loss psi' = -theta sigmoid(psi theta) - 2 (psi - 1), whose zero at psi = 0 is theta = 4.
    end = orbit("nonsaturating", "gradient", weight=1.0, **start)[-1]
    assert 3.7 < end[0] < 4.0 and 0 < end[1] < 0.03
    for loss in ("wasserstein", "nonsaturating"):
        assert orbit(loss, "r1", weight=1.0, **start)[-1] == pytest.approx((0.0, 0.0), abs=1e-6)
