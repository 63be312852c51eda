"""Where doors and drawers stand is part of the truth, and pulling a handle with the fingers is no collision."""

import dataclasses

import numpy as np
import pytest

from robots.errors import UsageError
from robots.sim.config import SimConfig
from robots.sim.episode import PartState
from robots.sim.furniture import COMPLEX, PartKind
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot
from robots.sim.privileged import PrivilegedView

EMPTY = dataclasses.replace(
    sample_episode("bookshelf_duck", 0), scene="complex", target_present=False, objects=(), region=COMPLEX.region
)


@pytest.fixture(scope="module")
def robot():
    made = MujocoRobot(SimConfig(scene="complex", wrist_px=(16, 16)), lambda: 0.0)
    made.connect()
    yield made
    made.close()


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_positions_are_those_of_the_episode(robot, share):
    parts = tuple(PartState(part.name, part.low + share * (part.high - part.low)) for part in COMPLEX.parts)
    robot.reset(dataclasses.replace(EMPTY, parts=parts))
    truth = PrivilegedView(robot)
    assert truth.part_positions() == pytest.approx({state.name: state.value for state in parts}, abs=1e-6)
    values = truth.observe().values["part_positions"]
    np.testing.assert_allclose(values, [state.value for state in parts], atol=1e-6)
    movable = [part.name for part in COMPLEX.parts if part.kind is not PartKind.SCREEN]
    assert [truth.opened(name) for name in movable] == [share > 0.5] * len(movable)


def test_a_screen_does_not_open_and_unknown_parts_are_named(robot):
    truth = PrivilegedView(robot)
    with pytest.raises(UsageError, match="screen"):
        truth.opened("screen")
    with pytest.raises(UsageError, match="door_left"):
        truth.opened("door_lft")
