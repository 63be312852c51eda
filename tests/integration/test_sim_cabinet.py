"""The cabinet under the robot: episodes set doors, drawers and screens, replay exactly, and look as they should."""

import dataclasses
import json

import numpy as np
import pytest

from robots.errors import SpecError
from robots.sim.appearance import Appearance, SurfaceSpec
from robots.sim.episode import EpisodeSpec, ObjectSpec, PartState, Variant
from robots.sim.furniture import FURNITURE
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.objects import CLASSES
from robots.sim.privileged import PrivilegedView
from robots.sim.scene import HOME_RAD
from robots.sim.tasks import find_task
from robots.types import Action, ActionSpace

COMPLEX = FURNITURE["complex"]
OPEN = {"door_left": 1.9, "door_right": 1.9, "drawer": 0.2, "screen": -0.05}
SHUT = {"door_left": 0.0, "door_right": 0.0, "drawer": 0.0, "screen": 0.05}
LEFT_LOOK_RAD = (0.55, *HOME_RAD[1:])


def standing(kind, x, y, z, **values):
    start = ObjectSpec(kind, f"{kind}_0", (x, y, z), 0.0, 1.0, CLASSES[kind].tints[0])
    return dataclasses.replace(start, **values)


ITEMS = (
    standing("duck", 0.56, -0.30, 0.07),  # in the drawer, pulled out
    standing("mug", 0.76, 0.28, 0.33),  # behind the left door
    standing("vase", 0.76, 0.0, 0.33),
    standing("plant", 0.76, -0.28, 0.61),
)


def episode(parts, objects=ITEMS, **changes):
    spec = EpisodeSpec(
        task=find_task("bookshelf_duck"),
        scene="complex",
        variant=Variant.STANDARD,
        seed=100_000,
        target_present=any(item.kind == "duck" for item in objects),
        visible_fraction=0.0,
        objects=objects,
        parts=tuple(PartState(part.name, parts[part.name]) for part in COMPLEX.parts),
        appearance=Appearance(),
        home_rad=HOME_RAD,
        region=COMPLEX.region,
    )
    return dataclasses.replace(spec, **changes)


def new_robot():
    robot = MujocoRobot(SimConfig(scene="complex"), lambda: 0.0)
    robot.connect()
    return robot


@pytest.fixture(scope="module")
def robot():
    robot = new_robot()
    yield robot
    robot.close()


def image(robot):
    return robot.get_observation().images["wrist"].astype(float)


def rough(robot, count):
    """Sweep into the furniture; return where everything is after every step."""
    rng = np.random.default_rng(1)
    path = []
    for _ in range(count):
        twist = [0.3, *rng.normal(0, 0.3, 2), *rng.uniform(-0.5, 0.5, 3)]
        robot.send_action(Action(ActionSpace.CARTESIAN_VELOCITY, np.array(twist), gripper=0.0))
        path.append(robot.data.qpos.copy())
    return path


def test_parts_start_as_the_episode_says_and_change_with_the_next(robot):
    for parts in (OPEN, SHUT):
        robot.reset(episode(parts, ITEMS[2:]))
        for name in ("door_left", "door_right", "drawer"):
            assert robot.data.joint(name).qpos[0] == parts[name]
        assert robot.data.body("screen").xpos[1] == parts["screen"]


def test_nothing_moves_by_itself(robot):
    robot.reset(episode(OPEN))
    for _ in range(30):
        robot.hold()
    for item in ITEMS:
        np.testing.assert_allclose(robot.data.body(item.name).xpos, item.position_m, atol=1e-3)
    assert robot.data.joint("drawer").qpos[0] == pytest.approx(0.2, abs=1e-4)
    assert robot.data.ntree_awake == 1
    parked = [name for name in robot.scene.objects if name not in {item.name for item in ITEMS}]
    assert all(robot.data.body(name).xpos[0] < -2.0 for name in parked)
    assert robot.collision_steps == 0


def test_replay_is_exact_after_another_episode(robot):
    robot.reset(episode(OPEN))
    first, picture = rough(robot, 25), image(robot)
    robot.reset(episode(SHUT, ITEMS[2:]))
    rough(robot, 5)
    robot.reset(episode(OPEN))
    np.testing.assert_array_equal(rough(robot, 25), first)
    np.testing.assert_array_equal(image(robot), picture)
    assert robot.collision_steps > 0


@pytest.mark.parametrize("cut", [4, 20])
def test_a_saved_state_continues_exactly_in_another_scene(robot, cut):
    """What sleeps goes on sleeping, and a push that comes later wakes it the same way."""
    robot.reset(episode(OPEN))
    rough(robot, cut)
    state = json.loads(json.dumps(robot.state()))
    rest = rough(robot, 15)
    other = new_robot()
    other.reset(episode(OPEN))
    other.load_state(state)
    np.testing.assert_array_equal(rough(other, 15), rest)
    other.close()


def test_doors_and_screens_hide_and_reveal(robot):
    behind_door = (standing("duck", 0.76, 0.26, 0.33), *ITEMS[2:])
    truth = PrivilegedView(robot)
    fractions = []
    for parts in (OPEN, SHUT):
        robot.reset(episode(parts, behind_door, home_rad=LEFT_LOOK_RAD))
        fractions.append(truth.visibility().fraction)
    assert fractions[0] > 0.5
    assert fractions[1] == 0.0


def test_tint_and_wood_reach_the_image(robot):
    look = {"home_rad": LEFT_LOOK_RAD}
    robot.reset(episode(OPEN, **look))
    before = image(robot)
    dark = tuple(dataclasses.replace(item, tint_rgb=(0.1, 0.1, 0.1)) for item in ITEMS)
    robot.reset(episode(OPEN, dark, **look))
    assert np.abs(image(robot) - before).max() > 40
    robot.reset(episode(OPEN, appearance=Appearance(surfaces=SurfaceSpec(wood=7)), **look))
    assert np.abs(image(robot) - before).mean() > 5
    robot.reset(episode(OPEN, **look))
    np.testing.assert_array_equal(image(robot), before)


@pytest.mark.parametrize(("name", "value"), [("door_left", 2.7), ("drawer", -0.01), ("screen", 0.2)])
def test_parts_outside_their_range_are_refused(name, value):
    with pytest.raises(SpecError, match=name):
        EpisodeSpec.from_dict(episode({**OPEN, name: value}).to_dict())


def test_an_episode_of_another_scene_is_refused(robot):
    with pytest.raises(SpecError, match="bookcase"):
        robot.reset(episode(OPEN, scene="bookcase"))


def test_only_what_the_episode_places_is_drawn(robot):
    robot.reset(episode(OPEN, ITEMS[:2]))
    robot.reset(episode(OPEN, ITEMS[1:]))
    placed = {item.name for item in ITEMS[1:]}
    for name, body in robot.scene.objects.items():
        shown = robot.model.geom_rgba[robot.model.geom_bodyid == body, 3]
        assert np.all(shown == (1.0 if name in placed else 0.0)), name
