"""Evaluation of samples by one protocol: features, reference sets, metrics with errors, and values of real samples."""

from ganctl.evaluation.evaluator import ImageEvaluator
from ganctl.evaluation.features import FEATURES, FeatureNetwork, Request
from ganctl.evaluation.found import Draw, Evaluation, Evaluator
from ganctl.evaluation.point_evaluator import PointEvaluator
from ganctl.evaluation.points import POINT_METRICS
from ganctl.evaluation.protocol import fingerprint
from ganctl.evaluation.scores import METRICS
from ganctl.evaluation.telling import Told, silent

__all__ = [
    "FEATURES",
    "METRICS",
    "POINT_METRICS",
    "Draw",
    "Evaluation",
    "Evaluator",
    "FeatureNetwork",
    "ImageEvaluator",
    "PointEvaluator",
    "Request",
    "Told",
    "fingerprint",
    "silent",
]
