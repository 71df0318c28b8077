"""The type of an adversarial loss: a pair of objectives over raw logits. A larger logit means "more real"."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor

from ganctl.losses.options import bind


@dataclass(frozen=True)
class AdversarialLoss:
    """A pair of objectives, J(D) and J(G). Both are scalars, and both are minimized.

    Attributes:
        discriminator: (real_logits, fake_logits) -> J(D).
        generator: (real_logits, fake_logits) -> J(G).
        paper: source of the formulas.
        real_in_generator: how J(G) uses the real logits. "absent": not at all. "constant": in its value but not in its
            gradient, so they may be None, and the value then lacks that term. "needed": its gradient depends on them,
            which costs a pass of the discriminator over real samples.
        critic: what the loss needs from the discriminator. "logits": nothing special. "bounded_slope": a penalty or a
            constraint that bounds its slope; J(D) has no minimum without one. "autoencoder": logits that are minus the
            reconstruction error of a sample.
        log_odds: whether the optimal discriminator's logit is log(p / q), so that its sigmoid is a probability.
        memory: {name: initial value} of numbers kept from turn to turn; the functions take them as keyword arguments.
        remember: (real_logits, fake_logits) -> the new values of `memory`, and further values to log; called after
            each turn of the discriminator.
    """

    discriminator: Callable[..., Tensor]
    generator: Callable[..., Tensor]
    paper: str
    real_in_generator: Literal["absent", "constant", "needed"] = "needed"
    critic: Literal["logits", "bounded_slope", "autoencoder"] = "logits"
    log_odds: bool = False
    memory: dict[str, float] = field(default_factory=dict)
    remember: Callable[..., dict[str, Tensor]] | None = None

    def configured(self, **options: Any) -> "AdversarialLoss":
        """The same loss with options set. Options are the keyword parameters of its functions.

        Raises:
            ValueError: the loss has no such option.
        """
        functions: dict[str, Callable[..., Any]] = {"discriminator": self.discriminator, "generator": self.generator}
        if self.remember:
            functions["remember"] = self.remember
        changes: dict[str, Any] = bind(functions, options, reserved=self.memory)
        return replace(self, **changes)
