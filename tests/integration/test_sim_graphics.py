"""Off-screen contexts: a remedy where nothing can be drawn, and no robot disturbs the images of another."""

import gc
import os
import subprocess
import sys

import numpy as np
import pytest

from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView

DRAW = """
from robots.errors import GraphicsError
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
robot = MujocoRobot(SimConfig(), lambda: 0.0)
try:
    robot.connect()
except GraphicsError as error:
    print(error)
"""
CHECK = """
from robots.errors import GraphicsError
from robots.graphics import check_graphics
try:
    check_graphics()
except GraphicsError as error:
    print(error)
"""


def output_of(code):
    hidden = ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, check=True, env=environment, capture_output=True, text=True, timeout=60)
    return run.stdout


@pytest.mark.parametrize("code", [DRAW, CHECK], ids=["robot", "check"])
def test_mujoco_imported_first_is_a_graphics_error_that_says_what_to_set(code):
    assert "Set MUJOCO_GL=egl before Python starts." in output_of("import mujoco\n" + code)


def test_without_that_import_a_backend_is_chosen_and_draws():
    assert output_of(DRAW) == ""


def drawn_truth(robot):
    view = PrivilegedView(robot).observe().values
    return robot.renderer.color(robot.data, "wrist", (84, 84)), view["target_mask"], view["target_alone_px"]


def test_a_robot_that_is_dropped_without_disconnecting_leaves_another_ones_images_alone():
    def new_robot():
        robot = MujocoRobot(SimConfig(), lambda: 0.0)
        robot.connect()
        robot.reset(sample_episode("bookshelf_duck", 1))
        return robot

    with new_robot() as kept:
        dropped = new_robot()
        before = drawn_truth(kept)
        drawn_truth(dropped)
        drawn_truth(kept)
        del dropped
        gc.collect()
        for one, other in zip(before, drawn_truth(kept), strict=True):
            assert np.array_equal(one, other)
