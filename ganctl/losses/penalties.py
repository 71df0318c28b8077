"""Penalties and constraints on the discriminator ("critic"). Penalties are computed per sample.

A penalty is an unweighted scalar; its weight and its interval belong to the configuration.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.losses.options import bind

Critic = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Penalty:
    """A regularization term that is added to J(D), or a constraint on the critic's weights after each of its turns.

    Attributes:
        paper: source of the formula.
        of_samples: (critic, real, fake, stream) -> scalar; None for a function of the logits, or a constraint.
        of_logits: (real_logits, fake_logits) -> scalar; None if `of_samples` is set.
        constrain: critic -> None; called after each turn of the critic.
        bounds_slope: whether it bounds the critic's slope, as J(D) of Wasserstein needs.
        memory: {name: initial value} of numbers kept from turn to turn; `of_logits` takes them as keyword arguments.
        remember: (real_logits, fake_logits) -> the new values of `memory`; called after each turn of the critic.
    """

    paper: str
    of_samples: Callable[..., Tensor] | None = None
    of_logits: Callable[..., Tensor] | None = None
    constrain: Callable[[nn.Module], None] | None = None
    bounds_slope: bool = False
    memory: dict[str, float] = field(default_factory=dict)
    remember: Callable[..., dict[str, Tensor]] | None = None

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, stream: torch.Generator | None = None) -> Tensor:
        """The unweighted penalty: a scalar, differentiable with respect to the critic's weights.

        Args:
            critic: samples [N, *shape] -> logits [N]; a sample's logit must not depend on other samples.
            real: real samples, [N, *shape].
            fake: generated samples, [N, *shape].
            stream: source of random numbers; None: torch's own generator.
        """
        if self.of_samples:
            return self.of_samples(critic, real, fake, stream)
        if self.of_logits:
            return self.of_logits(critic(real), critic(fake))
        return real.new_zeros(())

    def configured(self, **options: Any) -> "Penalty":
        """The same penalty with options set. Options are the keyword parameters of its functions.

        Raises:
            ValueError: the penalty has no such option.
        """
        named = ("of_samples", "of_logits", "constrain", "remember")
        functions = {name: getattr(self, name) for name in named if getattr(self, name)}
        changes: dict[str, Any] = bind(functions, options, reserved={*self.memory, "stream"})
        return replace(self, **changes)


def input_gradients(critic: Critic, samples: Tensor) -> Tensor:
    """The gradient of each sample's logit with respect to that sample, [N, *shape]; it can be differentiated again."""
    samples = samples.detach().requires_grad_()
    logits = critic(samples)
    if not logits.requires_grad:  # the critic ignores its input
        return torch.zeros_like(samples)
    # Each logit depends only on its own sample, so the gradient of their sum contains all the gradients.
    (gradients,) = torch.autograd.grad(logits.sum(), samples, create_graph=True, materialize_grads=True)
    return gradients


def norms(gradients: Tensor) -> Tensor:
    """The Euclidean norm of each sample's gradient, [N]; its own derivative at zero is zero, not NaN."""
    return torch.linalg.vector_norm(gradients.flatten(1), dim=1)


def square_norms(gradients: Tensor) -> Tensor:
    """The squared Euclidean norm of each sample's gradient, [N]."""
    return gradients.flatten(1).square().sum(dim=1)


def per_sample(count: int, like: Tensor, stream: torch.Generator | None) -> Tensor:
    """One number from U[0, 1) per sample, shaped [count, 1, ...] to multiply samples of the shape of `like`."""
    drawn = torch.rand(count, generator=stream, device=like.device, dtype=like.dtype)
    return drawn.view(-1, *[1] * (like.ndim - 1))


def gradient(
    critic: Critic, real: Tensor, fake: Tensor, stream: torch.Generator | None = None, one_sided: bool = False
) -> Tensor:
    """E (|| grad D(x^) || - 1)^2 at x^ = e x + (1 - e) G(z), with one e from U[0, 1) per pair of samples.

    Source: Gulrajani et al. 2017 (WGAN-GP, arXiv:1704.00028), eq. 3.

    Args:
        one_sided: whether to take E max(0, || grad || - 1)^2, which penalizes only slopes above 1 (section 4 there).

    Raises:
        ValueError: the shapes of real and generated samples differ.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real samples {tuple(real.shape)} and generated {tuple(fake.shape)}: shapes must be equal")
    share = per_sample(len(real), real, stream)
    excess = norms(input_gradients(critic, share * real + (1 - share) * fake)) - 1
    return (excess.relu() if one_sided else excess).square().mean()


def r1(critic: Critic, real: Tensor, fake: Tensor, stream: torch.Generator | None = None) -> Tensor:
    """E || grad D(x) ||^2 / 2 on real samples; the weight is the paper's gamma.

    Source: Mescheder et al. 2018 (arXiv:1801.04406), eq. 9.
    """
    del fake, stream
    return square_norms(input_gradients(critic, real)).mean() / 2


def r2(critic: Critic, real: Tensor, fake: Tensor, stream: torch.Generator | None = None) -> Tensor:
    """E || grad D(G(z)) ||^2 / 2 on generated samples; the weight is the paper's gamma.

    Source: Mescheder et al. 2018 (arXiv:1801.04406), eq. 10.
    """
    del real, stream
    return square_norms(input_gradients(critic, fake)).mean() / 2


def r1r2(critic: Critic, real: Tensor, fake: Tensor, stream: torch.Generator | None = None) -> Tensor:
    """R1 + R2, in one pass of the critic. Source: Huang et al. 2024 (R3GAN, arXiv:2501.05441), section 2."""
    del stream
    squares = square_norms(input_gradients(critic, torch.cat([real, fake])))
    return squares[: len(real)].mean() / 2 + squares[len(real) :].mean() / 2


def dragan(critic: Critic, real: Tensor, fake: Tensor, stream: torch.Generator | None = None) -> Tensor:
    """E (|| grad D(x + a d) || - 1)^2 near the real samples.

    d = std(X) u / 2, with u from U[0, 1) per element and std(X) a single number for the batch; a from U[0, 1) per
    sample. Source: Kodali et al. 2017 (DRAGAN, arXiv:1705.07215); the distribution of d is that of the paper's code.
    """
    del fake
    step = torch.rand(real.shape, generator=stream, device=real.device, dtype=real.dtype)
    step = step * (real.std(correction=0) / 2) * per_sample(len(real), real, stream)
    return (norms(input_gradients(critic, real + step)) - 1).square().mean()


def lecam(
    real_logits: Tensor,
    fake_logits: Tensor,
    real_anchor: float | Tensor = 0.0,
    fake_anchor: float | Tensor = 0.0,
    one_sided: bool = False,
) -> Tensor:
    """E (r - a_F)^2 + E (f - a_R)^2 with a_R, a_F the moving averages of the real and of the generated logits.

    Source: Tseng et al. 2021 (arXiv:2104.03310), section 3. The averages start at 0 and the penalty at the first turn;
    the paper's code starts it after 1,000 turns.

    Args:
        real_anchor: a_R.
        fake_anchor: a_F.
        one_sided: whether to take E max(0, r - a_F)^2 + E max(0, a_R - f)^2, as the paper's code does.
    """
    above, below = real_logits - fake_anchor, real_anchor - fake_logits
    if one_sided:
        above, below = above.relu(), below.relu()
    return above.square().mean() + below.square().mean()


def lecam_anchors(
    real_logits: Tensor,
    fake_logits: Tensor,
    real_anchor: float | Tensor = 0.0,
    fake_anchor: float | Tensor = 0.0,
    decay: float = 0.99,
) -> dict[str, Tensor]:
    """LeCam's moving averages after one more batch. Source: Tseng et al. 2021 (arXiv:2104.03310), section 3."""
    return {
        "real_anchor": decay * real_anchor + (1 - decay) * real_logits.mean(),
        "fake_anchor": decay * fake_anchor + (1 - decay) * fake_logits.mean(),
    }


def shifted(images: Tensor, furthest: int, stream: torch.Generator | None = None) -> Tensor:
    """Each image shifted by up to `furthest` pixels along both axes; its edge pixels are repeated to fill the gap.

    Args:
        images: [N, ..., H, W]; all channels or frames of a sample are shifted alike.

    Raises:
        ValueError: the samples are not images.
    """
    if images.ndim < 4:
        raise ValueError(f"samples of shape {tuple(images.shape[1:])}: are no images [C, H, W], which alone can shift")
    count, height, width = len(images), *images.shape[-2:]
    moves = torch.randint(-furthest, furthest + 1, (2, count, 1), generator=stream, device=images.device)
    rows = (torch.arange(height, device=images.device) + moves[0]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) + moves[1]).clamp(0, width - 1)
    planes = images.reshape(count, -1, height, width)
    planes = planes.gather(2, rows[:, None, :, None].expand_as(planes))
    return planes.gather(3, columns[:, None, None, :].expand_as(planes)).reshape(images.shape)


def consistency(
    critic: Critic, real: Tensor, fake: Tensor, stream: torch.Generator | None = None, shift: int = 4
) -> Tensor:
    """E (D(x) - D(T(x)))^2 with T a random shift. Source: Zhang et al. 2020 (CR-GAN, arXiv:1910.12027).

    Args:
        shift: the largest shift of T in pixels. The paper also flips images, which would change the class of digits.
    """
    del fake
    return (critic(real) - critic(shifted(real, shift, stream))).square().mean()


def logit_drift(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E r^2, which keeps the critic's output near 0. Source: Karras et al. 2018 (arXiv:1710.10196), appendix A.1."""
    del fake_logits
    return real_logits.square().mean()


@torch.no_grad()
def clip_weights_(critic: nn.Module, clip: float = 0.01) -> None:
    """Clips every weight to [-clip, clip]. Source: Arjovsky et al. 2017 (WGAN, arXiv:1701.07875), algorithm 1."""
    parameters: list[Tensor] = list(critic.parameters())
    torch._foreach_clamp_min_(parameters, -clip)
    torch._foreach_clamp_max_(parameters, clip)


PENALTIES: dict[str, Penalty] = {
    "none": Penalty(""),
    "gradient": Penalty("Gulrajani et al. 2017, eq. 3", of_samples=gradient, bounds_slope=True),
    "r1": Penalty("Mescheder et al. 2018, eq. 9", of_samples=r1, bounds_slope=True),
    "r2": Penalty("Mescheder et al. 2018, eq. 10", of_samples=r2, bounds_slope=True),
    "r1r2": Penalty("Huang et al. 2024, section 2", of_samples=r1r2, bounds_slope=True),
    "dragan": Penalty("Kodali et al. 2017", of_samples=dragan, bounds_slope=True),
    "lecam": Penalty(
        "Tseng et al. 2021, section 3",
        of_logits=lecam,
        memory={"real_anchor": 0.0, "fake_anchor": 0.0},
        remember=lecam_anchors,
    ),
    "consistency": Penalty("Zhang et al. 2020", of_samples=consistency),
    "logit_drift": Penalty("Karras et al. 2018, appendix A.1", of_logits=logit_drift),
    "weight_clip": Penalty("Arjovsky et al. 2017, algorithm 1", constrain=clip_weights_, bounds_slope=True),
}
