import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.trigger.tracking import TrackingConfig, associate, intersection_over_union, predict_box
from robots.errors import UsageError
from robots.types import CameraIntrinsics, Detection

CAMERA = CameraIntrinsics(100, 80, 90.0)
BOX = (45.0, 30.0, 65.0, 50.0)


def moved(x_m=0.0, z_m=0.0, yaw_rad=0.0):
    """Camera pose in the OpenCV convention: x right, y down, z forward; yaw turns about y."""
    pose = np.eye(4)
    cosine, sine = math.cos(yaw_rad), math.sin(yaw_rad)
    pose[:3, :3] = [[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]]
    pose[:3, 3] = [x_m, 0.0, z_m]
    return pose


def test_a_still_camera_predicts_no_motion():
    assert predict_box(BOX, CAMERA, np.eye(4), np.eye(4), 0.5) == pytest.approx(BOX)


def test_the_image_moves_against_the_camera():
    predicted = predict_box(BOX, CAMERA, np.eye(4), moved(x_m=0.1), 0.5)
    shift = -0.1 / 0.5 * 90.0
    assert predicted == pytest.approx((45.0 + shift, 30.0, 65.0 + shift, 50.0))


def test_nearing_enlarges_the_box():
    predicted = predict_box((40.0, 30.0, 60.0, 50.0), CAMERA, np.eye(4), moved(z_m=0.25), 0.5)
    assert predicted == pytest.approx((30.0, 20.0, 70.0, 60.0))


def test_a_box_that_leaves_the_view_or_falls_behind_is_none():
    assert predict_box(BOX, CAMERA, np.eye(4), moved(yaw_rad=1.2), 0.5) is None
    assert predict_box(BOX, CAMERA, np.eye(4), moved(z_m=0.6), 0.5) is None


@given(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1), st.floats(-0.15, 0.15), st.floats(20.0, 80.0), st.floats(20.0, 60.0))
def test_the_predicted_centre_is_the_projection_of_the_same_point(x_m, z_m, yaw_rad, u, v):
    after = moved(x_m, z_m, yaw_rad)
    predicted = predict_box((u - 4, v - 4, u + 4, v + 4), CAMERA, np.eye(4), after, 0.5)
    world = np.array([(u - 50.0) / 90.0 * 0.5, (v - 40.0) / 90.0 * 0.5, 0.5])
    local = after[:3, :3].T @ (world - after[:3, 3])
    expected = local[:2] / local[2] * 90.0 + [50.0, 40.0]
    if predicted is None:
        assert not (0.0 < expected[0] < 99.9 and 0.0 < expected[1] < 79.9)
    else:
        assert (predicted[0] + predicted[2]) / 2 == pytest.approx(expected[0], abs=1e-6)
        assert (predicted[1] + predicted[3]) / 2 == pytest.approx(expected[1], abs=1e-6)


def test_overlap():
    assert intersection_over_union(BOX, BOX) == pytest.approx(1.0)
    assert intersection_over_union((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert intersection_over_union((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0


def detections(*boxes):
    return [Detection(box, 0.5, "x") for box in boxes]


def test_the_largest_overlap_wins_over_the_best_score():
    assert associate(BOX, detections((70, 30, 90, 50), (46, 31, 66, 51)), TrackingConfig()) == 1


def test_without_overlap_the_nearest_centre_counts_within_the_gate():
    config = TrackingConfig(max_distance=1.0)
    assert associate(BOX, detections((0, 0, 10, 10), (66, 30, 70, 34)), config) == 1
    assert associate(BOX, detections((0, 0, 10, 10)), config) is None
    assert associate(BOX, [], config) is None


@pytest.mark.parametrize("values", [{"range_m": 0.0}, {"max_distance": 0.0}, {"forget_s": 0.0}, {"max_tracks": 0}])
def test_impossible_settings_are_refused(values):
    with pytest.raises(UsageError):
        TrackingConfig(**values)
