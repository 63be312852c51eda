"""Images drawn on demand and the test that spares a rendering: the same bytes, for less."""

import mujoco
import numpy as np
import pytest

from robots.errors import SpecError
from robots.on_demand import OnDemand
from robots.sim.frustum import may_hide, may_show
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.types import Action, ActionSpace

TURN = Action(ActionSpace.CARTESIAN_VELOCITY, np.array([0.1, 0.1, 0.0, 0.0, 0.0, 0.9]), gripper=0.0)


@pytest.fixture(scope="module")
def spec():
    return sample_episode("bookshelf_pineapple", 100_003, randomization="extreme")


@pytest.fixture(scope="module")
def robots(spec):
    made = [MujocoRobot(SimConfig(wrist_px=(32, 32), draw_on_demand=lazy), lambda: 0.0) for lazy in (False, True)]
    for robot in made:
        robot.connect()
    yield made
    for robot in made:
        robot.close()


def test_an_array_is_made_once_and_read_only():
    calls = []
    images = OnDemand(("wrist",), lambda name: calls.append(name) or np.zeros((2, 2, 3), np.uint8))
    assert list(images) == ["wrist"]
    assert len(images) == 1
    assert not calls
    assert images["wrist"] is images["wrist"]
    assert calls == ["wrist"]
    with pytest.raises(ValueError, match="read-only"):
        images["wrist"][0, 0, 0] = 1
    with pytest.raises(KeyError):
        images["other"]


def test_what_was_drawn_stays_and_what_was_not_is_refused():
    images = OnDemand(("first", "second"), lambda _: np.zeros((2, 2, 3), np.uint8))
    images["first"]
    images.expire()
    assert images["first"].shape == (2, 2, 3)
    with pytest.raises(SpecError, match="'second' was not drawn before time went on"):
        images["second"]


def test_the_images_are_the_same_whether_all_are_drawn_or_a_few(robots, spec):
    for robot in robots:
        robot.reset(spec)
    for step in range(30):
        eager, lazy = (robot.get_observation() for robot in robots)
        assert (eager.camera_to_world["wrist"] == lazy.camera_to_world["wrist"]).all()
        if step % 7 == 0:
            assert (eager.images["wrist"] == lazy.images["wrist"]).all()
        for robot in robots:
            robot.send_action(TURN)


def test_an_image_nobody_looked_at_is_gone_with_the_next_period(robots, spec):
    robot = robots[1]
    robot.reset(spec)
    first = robot.get_observation()
    robot.reset(spec)
    with pytest.raises(SpecError, match="not drawn"):
        first.images["wrist"]


def looks(robot, body, count):
    """Put the wrist camera anywhere around a body, turned anyhow, or towards it."""
    data, rng = robot.data, np.random.default_rng(0)
    camera = robot.model.camera("wrist").id
    for number in range(count):
        data.cam_xpos[camera] = data.xpos[body] + rng.normal(size=3) * 0.4
        turn = rng.normal(size=4)
        axes = np.empty(9)
        mujoco.mju_quat2Mat(axes, turn / np.linalg.norm(turn))
        if number % 2:
            back = data.cam_xpos[camera] - data.xpos[body] + rng.normal(size=3) * 0.05
            frame, _ = np.linalg.qr(np.stack([back, *rng.normal(size=(2, 3))]).T)
            frame[:, 0] *= np.sign(frame[:, 0] @ back)
            frame = frame[:, [1, 2, 0]] * [np.linalg.det(frame[:, [1, 2, 0]]), 1.0, 1.0]
            axes = frame.ravel()
        data.cam_xmat[camera] = axes
        yield number


def test_a_body_that_may_not_show_has_no_pixel(robots, spec):
    robot = robots[0]
    robot.reset(spec)
    model, data, body = robot.model, robot.data, robot.model.body(spec.target_name).id
    told = [
        (
            may_show(model, data, "wrist", body, 1.5),
            robot.renderer.target_alone_px(data, "wrist", (48, 32)) > 0,
        )
        for _ in looks(robot, body, 60)
    ]
    assert not [pair for pair in told if pair == (False, True)]
    assert sum(not may for may, _ in told) > 10
    assert sum(seen for _, seen in told) > 10


def test_what_may_not_hide_a_body_does_not_change_its_pixels(robots, spec):
    robot = robots[0]
    robot.reset(spec)
    model, data, body = robot.model, robot.data, robot.model.body(spec.target_name).id
    seen, left_out, groups = [], 0, model.geom_group.copy()
    for _ in looks(robot, body, 60):
        drawn = may_hide(model, data, "wrist", body)
        images = [robot.renderer.geom_ids(data, "wrist", (48, 32), chosen) for chosen in (None, drawn)]
        masks = [(ids >= 0) & (model.geom_bodyid[ids] == body) for ids in images]
        assert (masks[0] == masks[1]).all()
        seen.append(int(masks[0].sum()))
        left_out += int((~drawn).sum())
    assert sum(px > 0 for px in seen) > 3
    assert left_out > 30 * len(seen)
    assert (model.geom_group == groups).all()
