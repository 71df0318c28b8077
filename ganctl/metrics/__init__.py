"""How good samples are: pure functions of samples or of their features."""

from ganctl.metrics.modes import mode_coverage

__all__ = ["mode_coverage"]
