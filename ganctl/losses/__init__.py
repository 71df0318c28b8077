"""What the players minimize, as pure functions of logits."""

from ganctl.losses.adversarial import LOSSES, AdversarialLoss

__all__ = ["LOSSES", "AdversarialLoss"]
