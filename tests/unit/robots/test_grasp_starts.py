"""Views at handoff are drawn where their range says; instructions and chunks mean what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.errors import UsageError
from robots.grasp_action import REFUSE
from robots.sim.grasping import instructions
from robots.sim.grasping.demonstrations import DemonstrationConfig
from robots.sim.grasping.expert import refusal
from robots.sim.grasping.occluders import with_occluder
from robots.sim.grasping.policies import ChunkedPolicy
from robots.sim.grasping.starts import BINS, find_bin
from robots.sim.grasping.views import HALF_VIEW, TIP_LEAD_M, ViewRange, draw_camera
from robots.sim.layout import sample_episode
from robots.sim.tasks import find_task
from robots.types import Action, ActionSpace

POINT = np.array([0.76, 0.1, 0.40])


@pytest.mark.parametrize("name", sorted(BINS))
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_drawn_camera_shows_the_point_at_the_distance_and_place_of_its_range(name, seed):
    view = BINS[name].view
    pose = draw_camera(np.random.default_rng(seed), POINT, view, 0.66)
    if pose is None:
        return
    assert np.allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-9)
    seen = pose[:3, :3].T @ (POINT - pose[:3, 3])
    place = seen[:2] / seen[2] / HALF_VIEW
    assert view.distance_m[0] - 1e-9 <= np.linalg.norm(seen) <= view.distance_m[1] + 1e-9
    tilted = 1.0 + view.roll_rad
    assert view.off[0] / tilted - 1e-6 <= np.abs(place).max() <= view.off[1] * tilted + 1e-6
    assert pose[0, 3] <= 0.66 - TIP_LEAD_M
    assert abs(pose[2, 0]) < 0.051  # the image's horizon is nearly level
    assert pose[2, 1] < 0.0  # and its lower edge is down


def test_a_camera_inside_the_furniture_is_not_drawn():
    close = ViewRange((0.05, 0.06), (0.0, 0.1))
    assert draw_camera(np.random.default_rng(0), POINT, close, 0.66) is None


def test_an_unknown_bin_is_refused_with_the_nearest_one():
    with pytest.raises(UsageError, match="Did you mean 'off_centre'"):
        find_bin("off_center")


@pytest.mark.parametrize("bins", [{"nowhere": 1.0}, {"centred": -0.1}, {"centred": 0.0}, {"centred": float("nan")}])
def test_a_mixture_of_starts_is_checked(bins):
    with pytest.raises(UsageError):
        DemonstrationConfig(bins=bins)


def test_an_occluder_stands_before_the_target_and_touches_nothing():
    placed = 0
    for seed in range(12):
        spec = sample_episode("bookshelf_duck", 100_000 + seed)
        hiding = with_occluder(spec, np.random.default_rng(seed))
        if hiding is None:
            continue
        placed += 1
        after, item = hiding
        assert after.objects[:-1] == spec.objects
        assert item.position_m[0] < spec.objects[0].position_m[0]
        assert item.name not in {other.name for other in spec.objects}
        assert type(after).from_dict(after.to_dict()) == after
    assert placed > 6


def test_held_out_paraphrases_appear_in_no_demonstration():
    assert not set(instructions.HELD_OUT) & set(instructions.DEMONSTRATED)
    task = find_task("bookshelf_pineapple", "duck")
    rng = np.random.default_rng(0)
    said = [instructions.demonstrated(task, rng) for _ in range(200)]
    assert said.count(task.instruction) > 90
    assert len(set(said)) == len(instructions.DEMONSTRATED) + 1
    assert all("rubber duck" in sentence for sentence in said)
    assert instructions.held_out(task, 7) == instructions.held_out(task, 7 + len(instructions.HELD_OUT))


def test_a_refusal_is_still_and_open():
    assert refusal()[REFUSE] == 1.0
    assert not refusal()[:REFUSE].any()


def test_a_new_chunk_is_asked_for_after_half_of_the_old_one():
    class Still:
        gripper_to_world = np.eye(4)

    asked, still = [], Action(ActionSpace.CARTESIAN_VELOCITY, np.zeros(6), 0.0)
    policy = ChunkedPolicy(lambda _observation, said: asked.append(said) or [still] * 8)
    policy.begin("Grab the mug.")
    for _ in range(9):
        policy.act(Still())
    assert asked == ["Grab the mug."] * 3
