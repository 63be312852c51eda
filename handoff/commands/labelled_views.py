"""Auto-labelled wrist images from random viewpoints in random layouts: what a detector is fitted and measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from handoff.detectors.fitting import LabelledImage
from robots.region import SearchRegion
from robots.sim.episode import EpisodeSpec
from robots.sim.kinematics import ArmKinematics
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.sim.scene import HOME_RAD
from robots.types import Float
from search_policy.motion.geometry import look_at

VIEWS_PER_LAYOUT = 6
CLOSE_SHARE = 0.4
ABSENT_SHARE = 0.3


def labelled_views(task: str, seeds: range, count: int, *, wrist_px: int) -> Iterator[LabelledImage]:
    """Yield `count` images: layouts from `seeds` in turn, some without the target, far views and close ones.

    Args:
        task: Registered task name.
        seeds: Layout seeds; reused from the start when they run out.
        count: Number of images.
        wrist_px: Side of the square wrist image [px].
    """
    robot = MujocoRobot(SimConfig(wrist_px=(wrist_px, wrist_px)), lambda: 0.0)
    truth = PrivilegedView(robot)
    kinematics = ArmKinematics(np.array(HOME_RAD))
    rng = np.random.default_rng(seeds.start)
    with robot:
        for index in range(count):
            if index % VIEWS_PER_LAYOUT == 0:
                seed = seeds[(index // VIEWS_PER_LAYOUT) % len(seeds)]
                spec = sample_episode(task, seed, variant="absent" if rng.random() < ABSENT_SHARE else "standard")
            robot.reset(replace(spec, home_rad=tuple(_random_posture(spec, kinematics, rng))))
            image = robot.get_observation().images["wrist"]
            yield LabelledImage(image, truth.target_mask(), truth.visibility().fraction)


def _random_posture(spec: EpisodeSpec, kinematics: ArmKinematics, rng: np.random.Generator) -> Float:
    """Return joint positions (7,) whose wrist camera looks at a random part of the bookcase, or at the target."""
    home = kinematics.forward(np.array(HOME_RAD))
    camera_to_gripper = np.linalg.inv(home.gripper_to_world) @ home.camera_to_world
    close = rng.random() < CLOSE_SHARE and spec.target_name is not None
    while True:
        aim = _target_point(spec) if close else _random_point(spec.region, rng)
        camera = look_at(*_around(aim, spec.region, rng, close=close))
        pose = camera @ np.linalg.inv(camera_to_gripper)
        found = kinematics.solve(pose, [np.array(HOME_RAD)], rng, restarts=0)
        if found is not None:
            return found


def _random_point(region: SearchRegion, rng: np.random.Generator) -> Float:
    shelf = float(rng.choice([shelf.floor_z_m for shelf in region.compartments]))
    y = rng.uniform(region.y_min_m + 0.05, region.y_max_m - 0.05)
    return np.array([region.front_x_m + 0.1, y, shelf + rng.uniform(0.0, 0.2)])


def _target_point(spec: EpisodeSpec) -> Float:
    item = next(item for item in spec.objects if item.name == spec.target_name)
    return np.array(item.position_m) + np.array([0.0, 0.0, 0.05])


def _around(aim: Float, region: SearchRegion, rng: np.random.Generator, *, close: bool) -> tuple[Float, Float]:
    """Return a camera position in front of the region, and the point to look at: `aim`, moved a little off centre."""
    reach = rng.uniform(0.16, 0.32) if close else rng.uniform(0.25, 0.48)
    position = np.array([region.front_x_m - reach, aim[1] + rng.normal(0.0, 0.10), aim[2] + rng.normal(0.05, 0.07)])
    return position, aim + rng.normal(0.0, 0.05 if close else 0.08, 3) * np.array([0.0, 1.0, 1.0])
