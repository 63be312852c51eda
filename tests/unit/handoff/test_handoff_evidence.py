import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.trigger.calibration import (
    Calibration,
    fit_logistic,
    log_likelihood_ratio,
    missed_detection_ratio,
)
from handoff.trigger.evidence import (
    DependenceConfig,
    camera_displacement,
    correlation,
    evidence_weight,
)
from robots.errors import UsageError

PROBABILITIES = st.floats(0.0, 1.0)


@given(PROBABILITIES)
def test_a_calibrated_score_is_its_own_log_odds_against_the_prior(score):
    ratio = log_likelihood_ratio(Calibration(prior=0.5), score)
    bounded = min(max(score, 1e-6), 1.0 - 1e-6)
    assert ratio == pytest.approx(np.clip(math.log(bounded / (1.0 - bounded)), -3.0, 3.0))


@given(PROBABILITIES, PROBABILITIES, st.floats(0.1, 5.0), st.floats(-3.0, 3.0), st.floats(0.05, 0.95))
def test_evidence_rises_with_the_score_and_is_bounded(first, second, slope, intercept, prior):
    calibration = Calibration(slope, intercept, prior)
    low, high = sorted((first, second))
    assert log_likelihood_ratio(calibration, low) <= log_likelihood_ratio(calibration, high)
    assert abs(log_likelihood_ratio(calibration, high)) <= 3.0


def test_the_prior_of_the_calibration_data_is_taken_out():
    assert log_likelihood_ratio(Calibration(prior=0.2), 0.2) == pytest.approx(0.0)
    assert log_likelihood_ratio(Calibration(prior=0.2), 0.5) == pytest.approx(math.log(4.0))


def test_a_score_that_is_not_a_number_says_nothing():
    assert log_likelihood_ratio(Calibration(), math.nan) == 0.0


def test_seeing_nothing_speaks_against_the_target():
    calibration = Calibration(detection_probability=0.9, false_alarm_probability=0.05)
    assert missed_detection_ratio(calibration) == pytest.approx(math.log(0.1 / 0.95))
    assert missed_detection_ratio(Calibration(detection_probability=0.999)) == -3.0


@pytest.mark.parametrize(
    "values",
    [
        {"prior": 0.0},
        {"slope": 0.0},
        {"clip_nats": 0.0},
        {"detection_probability": 1.0},
        {"detection_probability": 0.3, "false_alarm_probability": 0.4},
    ],
)
def test_impossible_calibrations_are_refused(values):
    with pytest.raises(UsageError):
        Calibration(**values)


def test_the_fit_recovers_a_miscalibrated_detector():
    rng = np.random.default_rng(5)
    scores = rng.uniform(0.02, 0.98, 20_000)
    posterior = 1.0 / (1.0 + np.exp(-(2.0 * np.log(scores / (1.0 - scores)) - 1.0)))
    slope, intercept = fit_logistic(scores, rng.random(20_000) < posterior)
    assert slope == pytest.approx(2.0, abs=0.1)
    assert intercept == pytest.approx(-1.0, abs=0.1)


def test_the_fit_stays_finite_on_separable_scores_and_needs_both_classes():
    slope, intercept = fit_logistic(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert slope > 0.0
    assert math.isfinite(intercept)
    with pytest.raises(UsageError):
        fit_logistic(np.array([0.5, 0.6]), np.array([True, True]))


def pose(angle_rad=0.0, x_m=0.0):
    matrix = np.eye(4)
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    matrix[:2, :2] = [[cosine, -sine], [sine, cosine]]
    matrix[0, 3] = x_m
    return matrix


def test_displacement_is_measured_between_poses():
    moved_m, turned_rad = camera_displacement(pose(0.3, 0.1), pose(-0.2, 0.4))
    assert moved_m == pytest.approx(0.3)
    assert turned_rad == pytest.approx(0.5)
    assert camera_displacement(pose(), pose()) == pytest.approx((0.0, 0.0), abs=1e-6)


@given(st.floats(0.0, 1.0), st.floats(0.0, 3.0), st.floats(0.0, 1.0))
def test_moving_the_camera_makes_frames_more_independent(moved_m, turned_rad, extra):
    config = DependenceConfig()
    near = correlation(config, moved_m, turned_rad)
    assert 0.0 <= correlation(config, moved_m + extra, turned_rad) <= near <= config.still_correlation
    assert evidence_weight(config.still_correlation) <= evidence_weight(near) <= 1.0


def test_the_weight_is_the_effective_number_of_observations():
    rng, rho, n, series = np.random.default_rng(7), 0.6, 400, 4000
    values = np.zeros((series, n))
    values[:, 0] = rng.normal(size=series)
    for t in range(1, n):
        values[:, t] = rho * values[:, t - 1] + math.sqrt(1.0 - rho**2) * rng.normal(size=series)
    effective = 1.0 / np.var(values.mean(axis=1))  # variance of a mean of n independent values is 1 / n
    assert effective / n == pytest.approx(evidence_weight(rho), rel=0.1)


@pytest.mark.parametrize("values", [{"still_correlation": 1.0}, {"distance_m": 0.0}, {"angle_rad": -1.0}])
def test_impossible_dependence_is_refused(values):
    with pytest.raises(UsageError):
        DependenceConfig(**values)
