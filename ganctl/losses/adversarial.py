"""What an adversarial loss is: a pair of objectives over raw logits, where a bigger logit means "more real"."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor

from ganctl.losses.options import bind


@dataclass(frozen=True)
class AdversarialLoss:
    """A pair of objectives, both minimized, both scalars.

    Attributes:
        discriminator: (real_logits, fake_logits) -> J(D).
        generator: (real_logits, fake_logits) -> J(G).
        paper: where the formulas stand.
        real_in_generator: what the real logits are to J(G). "absent": it does not use them. "constant": they enter
            its value but not its gradient, so J(G) may be given None for them and then leaves that term out.
            "needed": its gradient depends on them, which costs a pass of the discriminator.
        critic: what it asks of the discriminator. "logits": nothing. "bounded_slope": a penalty or a constraint that
            bounds its slope, without which J(D) has no minimum. "autoencoder": that its logit is minus the error with
            which it reconstructs a sample.
        log_odds: whether the logit of the best discriminator is log(p / q), so that its sigmoid is a probability.
        memory: names and first values of numbers that go from turn to turn; its functions take them as keywords.
        remember: (real_logits, fake_logits) -> new values of `memory`, after a discriminator's turn, and
            what else is worth logging.
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
        """The same loss with options set: keyword parameters of its functions.

        Raises:
            ValueError: an option that it does not have.
        """
        functions: dict[str, Callable[..., Any]] = {"discriminator": self.discriminator, "generator": self.generator}
        if self.remember:
            functions["remember"] = self.remember
        changes: dict[str, Any] = bind(functions, options, reserved=self.memory)
        return replace(self, **changes)
