"""How good samples are: pure functions of samples or of their features."""

from ganctl.metrics.distances import directions, diversity, projected, sliced_wasserstein, sorted_distance
from ganctl.metrics.modes import mode_coverage

__all__ = ["directions", "diversity", "mode_coverage", "projected", "sliced_wasserstein", "sorted_distance"]
