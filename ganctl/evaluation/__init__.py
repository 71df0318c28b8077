"""How good samples are, by one protocol: features, reference sets, metrics with errors, and what real samples reach."""

from ganctl.evaluation.evaluator import Evaluation, Evaluator, ImageEvaluator, PointEvaluator
from ganctl.evaluation.features import FEATURES, FeatureNetwork
from ganctl.evaluation.protocol import fingerprint
from ganctl.evaluation.scores import METRICS

__all__ = [
    "FEATURES",
    "METRICS",
    "Evaluation",
    "Evaluator",
    "FeatureNetwork",
    "ImageEvaluator",
    "PointEvaluator",
    "fingerprint",
]
