import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_fixtures import INTRINSICS, REGION

from robots.errors import UsageError
from robots.region import SearchRegion
from robots.types import Detection, DetectionFrame
from search_policy.memory.seen_map import CHANNELS, VIEW_FEATURES, SeenMap, SeenMapConfig
from search_policy.motion.geometry import look_at, look_at_off_axis, rotation_of, rotation_vector
from search_policy.motion.viewpoints import ViewConfig, camera_box, candidate_views

VIEWS = candidate_views(REGION, ViewConfig())
vectors = st.tuples(*[st.floats(-1.7, 1.7)] * 3).map(np.array)


def new_map():
    return SeenMap(REGION, INTRINSICS, VIEWS, SeenMapConfig())


@given(vectors)
def test_rotation_vectors_round_trip(vector):
    rotation = rotation_of(vector)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation_of(rotation_vector(rotation)), rotation, atol=1e-7)


def test_half_turns_have_a_rotation_vector():
    for axis in np.eye(3):
        assert np.linalg.norm(rotation_vector(rotation_of(np.pi * axis))) == pytest.approx(np.pi, abs=1e-5)


def test_a_levelled_camera_looks_at_its_target():
    pose = look_at(np.array([0.1, 0.2, 0.3]), np.array([0.8, -0.1, 0.5]))
    target = pose[:3, :3].T @ (np.array([0.8, -0.1, 0.5]) - pose[:3, 3])
    np.testing.assert_allclose(target[:2], 0.0, atol=1e-12)
    assert target[2] > 0
    assert pose[2, 0] == pytest.approx(0.0)
    assert pose[2, 1] < 0  # image y points down
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)


@pytest.mark.parametrize("uv", [(0.5, 0.5), (0.4, 0.6), (0.6, 0.35)])
def test_an_off_axis_pose_shows_the_target_at_uv(uv):
    target = np.array([0.8, 0.1, 0.4])
    pose = look_at_off_axis(np.array([0.4, 0.0, 0.5]), target, uv, INTRINSICS)
    x, y, z = pose[:3, :3].T @ (target - pose[:3, 3])
    shown = 0.5 + INTRINSICS.focal_px * np.array([x, y]) / z / 84
    np.testing.assert_allclose(shown, uv, atol=0.02)


@given(
    front=st.floats(0.5, 1.0),
    width=st.floats(0.3, 1.2),
    shelves=st.integers(1, 4),
    columns=st.integers(1, 6),
    obliques=st.integers(0, 4),
)
def test_views_stay_in_front_of_any_bookcase(front, width, shelves, columns, obliques):
    region = SearchRegion.bookcase(
        front_x_m=front,
        depth_m=0.3,
        y_min_m=-width / 2,
        y_max_m=width / 2,
        shelf_z_m=tuple(0.1 + 0.3 * index for index in range(shelves)),
        clearance_m=0.27,
    )
    config = ViewConfig(columns=columns, obliques=obliques)
    box = camera_box(region, config)
    views = candidate_views(region, config)
    assert len(views) == shelves * (columns + obliques)
    assert len({view.name for view in views}) == len(views)
    for view in views:
        position = view.camera_to_world[:3, 3]
        np.testing.assert_array_equal(box.clip(position), position)
        tip_x = position[0] + config.tip_lead_m
        assert tip_x <= region.front_x_m - config.front_margin_m + 1e-9
        assert view.camera_to_world[0, 2] > 0.5  # looks forward


def test_a_standoff_inside_the_bookcase_is_refused():
    with pytest.raises(UsageError, match="standoff_m"):
        ViewConfig(standoff_m=0.1)


def test_all_views_together_see_the_whole_region():
    seen = new_map()
    for view in VIEWS:
        seen.update(view.camera_to_world)
    assert seen.coverage == 1.0


def test_coverage_never_falls_and_values_stay_in_range():
    seen, before = new_map(), 0.0
    rng = np.random.default_rng(0)
    for _ in range(30):
        start = rng.uniform([0.2, -0.5, 0.2], [0.5, 0.5, 0.9])
        seen.update(look_at(start, start + np.array([0.5, rng.uniform(-0.4, 0.4), rng.uniform(-0.3, 0.3)])))
        assert seen.coverage >= before
        before = seen.coverage
        channels = seen.channels()
        assert channels.shape == (len(CHANNELS), 3, 12)
        assert channels.min() >= 0.0
        assert channels.max() <= 1.0


def test_a_shelf_board_hides_what_is_behind_it():
    seen = new_map()
    start = np.array([0.4, 0.0, 0.5])
    seen.update(look_at(start, start + np.array([1.0, 0.0, 0.0])))
    cells = seen.channels()[CHANNELS.index("seen")]
    assert cells[1, 5:7].mean() == 1.0
    assert cells[0].mean() < 0.5


def test_a_visited_view_gains_nothing_more_and_others_lose_what_it_saw():
    seen = new_map()
    gain = VIEW_FEATURES.index("gain")
    visits = np.zeros(len(VIEWS), dtype=np.int64)
    before = seen.view_features(np.zeros(3), visits)[:, gain]
    seen.update(VIEWS[0].camera_to_world)
    after = seen.view_features(np.zeros(3), visits)[:, gain]
    assert after[0] == 0.0
    assert (after <= before).all()
    assert before[0] > 0.0


def test_a_detection_marks_the_cell_it_points_at():
    seen = new_map()
    pose = look_at(np.array([0.4, 0.2, 0.5]), np.array([0.8, 0.2, 0.5]))
    frame = DetectionFrame(1, 0.0, "wrist", 84, 84, (Detection((38, 38, 46, 46), 0.8, "duck"),))
    seen.update(pose, frame, pose)
    score = seen.channels()[CHANNELS.index("score")]
    shelf, column = np.unravel_index(score.argmax(), score.shape)
    assert shelf == 1
    assert abs((column + 0.5) / 12 * 0.84 - 0.42 - 0.2) < 0.04
    assert (score > 0).sum() == 1


def test_age_rises_after_a_look():
    seen = new_map()
    age = CHANNELS.index("age")
    assert seen.channels()[age].min() == 1.0
    seen.update(VIEWS[2].camera_to_world)
    fresh = seen.channels()[age].min()
    for _ in range(50):
        seen.update(look_at(np.array([0.4, 0.0, 0.5]), np.array([-0.4, 0.0, 0.5])))
    assert fresh < seen.channels()[age].min() < 1.0


def test_contains_agrees_with_the_view_that_aims_there():
    seen = new_map()
    for index, view in enumerate(VIEWS):
        assert seen.contains(index, view.aim_m)
    assert not seen.contains(0, np.array([0.8, 0.35, 0.7]))
    assert not seen.contains(0, np.array([0.8, 3.0, 0.7]))


def test_reset_forgets():
    seen = new_map()
    fresh = seen.channels()
    seen.update(VIEWS[0].camera_to_world)
    seen.reset()
    np.testing.assert_array_equal(seen.channels(), fresh)
