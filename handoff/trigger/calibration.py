"""From detection scores to evidence: log-likelihood ratios of "this is the target" against "this is something else".

Logarithms are natural; evidence is in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.errors import UsageError
from robots.types import Float

_SCORE_MARGIN = 1e-6  # keeps the logit of scores 0 and 1 finite


@dataclass(frozen=True, slots=True)
class Calibration:
    """A frozen logistic calibration of one detector.

    The posterior is q = sigmoid(slope * logit(score) + intercept): slope 1 and intercept 0 for a calibrated detector.
    Platt, "Probabilistic outputs for support vector machines", 1999, applied to the score's logit.

    Attributes:
        slope: Per nat of the score's logit; above 0.
        intercept: [nat].
        prior: Share of target detections in the data that the calibration was fitted on.
        detection_probability: Probability that a target in view is detected in one frame.
        false_alarm_probability: Probability that the same place is detected when the target is not there.
        clip_nats: Largest magnitude of one frame's evidence, so that no single frame can decide.
    """

    slope: float = 1.0
    intercept: float = 0.0
    prior: float = 0.5
    detection_probability: float = 0.9
    false_alarm_probability: float = 0.05
    clip_nats: float = 3.0

    def __post_init__(self) -> None:
        for name in ("prior", "detection_probability", "false_alarm_probability"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise UsageError(f"trigger.calibration.{name} must lie between 0 and 1, not {getattr(self, name)}.")
        if self.slope <= 0.0 or self.clip_nats <= 0.0:
            raise UsageError("trigger.calibration: slope and clip_nats must be above 0.")
        if self.false_alarm_probability >= self.detection_probability:
            raise UsageError("trigger.calibration: false_alarm_probability must be below detection_probability.")


def logit(probability: float) -> float:
    """Return ln(p / (1 - p)) [nat]."""
    return math.log(probability / (1.0 - probability))


def log_likelihood_ratio(calibration: Calibration, score: float) -> float:
    """Return the evidence of one detection [nat]: l = logit(q) - logit(prior), clipped; 0.0 if not a number."""
    if math.isnan(score):
        return 0.0
    bounded = min(max(score, _SCORE_MARGIN), 1.0 - _SCORE_MARGIN)
    posterior_logit = calibration.slope * logit(bounded) + calibration.intercept
    return _clip(posterior_logit - logit(calibration.prior), calibration.clip_nats)


def missed_detection_ratio(calibration: Calibration) -> float:
    """Return the evidence of seeing nothing where the target should be [nat]: ln((1 - Pd) / (1 - Pfa)), clipped."""
    ratio = math.log((1.0 - calibration.detection_probability) / (1.0 - calibration.false_alarm_probability))
    return _clip(ratio, calibration.clip_nats)


def fit_logistic(scores: Float, is_target: NDArray[np.bool_], *, iterations: int = 50) -> tuple[float, float]:
    """Fit slope and intercept of the logistic calibration by Newton's method, on Platt's smoothed labels.

    Args:
        scores: Detection scores in [0, 1], (b,).
        is_target: Whether each detection was the target, (b,).
        iterations: Newton steps; a handful is enough.

    Returns:
        Slope and intercept.

    Raises:
        UsageError: One of the two classes is missing.
    """
    positives, negatives = int(is_target.sum()), int((~is_target).sum())
    if not positives or not negatives:
        raise UsageError("A calibration needs detections of the target and of other things.")
    labels = np.where(is_target, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))
    bounded = np.clip(scores, _SCORE_MARGIN, 1.0 - _SCORE_MARGIN)
    design = np.stack([np.log(bounded / (1.0 - bounded)), np.ones(len(scores))], axis=1)  # (b, 2)
    weights = np.array([0.0, logit(positives / len(scores))])
    for _ in range(iterations):
        predicted = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30.0, 30.0)))
        curvature = design.T @ (design * (predicted * (1.0 - predicted))[:, None]) + 1e-6 * np.eye(2)
        weights = weights - np.linalg.solve(curvature, design.T @ (predicted - labels))
    return float(weights[0]), float(weights[1])


def _clip(value: float, bound: float) -> float:
    return min(max(value, -bound), bound)
