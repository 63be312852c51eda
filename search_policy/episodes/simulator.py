"""The simulated robot as a `SearchWorld`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robots.region import Compartment, SearchRegion
from robots.sim.furniture import PartKind, find_furniture
from robots.types import Action, CameraIntrinsics, Float, Observation, Task
from search_policy.episodes.world import CAMERA, Truth
from search_policy.motion.viewpoints import View

if TYPE_CHECKING:
    from robots.sim.episode import EpisodeSpec


class SimulatedWorld:
    """The MuJoCo robot with a clock that advances one control period per action. One per process.

    Args:
        wrist_px: Width and height of the wrist image.
        randomization: What varies besides the layout: a preset's name or a YAML file's path.
        scene: Name of the furniture, see `robots.sim.furniture`.

    Raises:
        UsageError: There is no such randomisation or scene.
    """

    def __init__(
        self, wrist_px: tuple[int, int] = (84, 84), *, randomization: str = "train", scene: str = "bookcase"
    ) -> None:
        from robots.sim.mujoco_robot import MujocoRobot, SimConfig
        from robots.sim.privileged import PrivilegedView
        from robots.sim.randomization import load_randomization

        self._randomization = load_randomization(randomization)
        self._time_s = 0.0
        self._robot = MujocoRobot(SimConfig(wrist_px=wrist_px, scene=scene, draw_on_demand=True), lambda: self._time_s)
        self._robot.connect()
        self._privileged = PrivilegedView(self._robot)
        self._furniture = find_furniture(scene)
        self._spec: EpisodeSpec | None = None
        self._target: str | None = None
        self._mask: NDArray[np.bool_] | None = None

    @property
    def region(self) -> SearchRegion:
        """The scene's compartments."""
        return self._furniture.region

    @property
    def closed(self) -> frozenset[str]:
        """Names of the doors and drawers that are shut, or not open wide enough to look inside."""
        return frozenset() if self._spec is None else closed_parts(self._spec)

    @property
    def spec(self) -> EpisodeSpec | None:
        """The layout; privileged."""
        return self._spec

    @property
    def intrinsics(self) -> CameraIntrinsics:
        """Of the wrist camera."""
        return self._robot.description.cameras[CAMERA]

    @property
    def collisions(self) -> int:
        """Control periods with a forbidden contact since the last reset."""
        return self._robot.collision_steps

    def look_for(self, target: str | None) -> None:
        """Choose what layouts from the next `reset` on are about: a named object, or None for the task's usual one."""
        self._target = target

    def reset(self, task: str, seed: int) -> Task:
        """Set up the layout of that seed.

        Raises:
            UsageError: There is no such task, or no such object in its scene.
        """
        from robots.sim.layout import sample_episode

        return self.reset_to(sample_episode(task, seed, target=self._target, randomization=self._randomization))

    def reset_to(self, spec: EpisodeSpec) -> Task:
        """Set up a given layout."""
        self._time_s, self._mask = 0.0, None
        self._spec = spec
        self._robot.reset(spec)
        return spec.task

    def visible_from(self, views: Sequence[View]) -> Float:
        """Return the share of the target that each view shows, rendered, (v,); 0 where the arm does not get to.

        The layout is set up anew afterwards.
        """
        assert self._spec is not None, "reset first"
        spec, fractions = self._spec, []
        for posture in view_postures(views, spec.home_rad):
            if posture is not None:
                self._robot.reset(replace(spec, home_rad=tuple(float(q) for q in posture)))
            fractions.append(0.0 if posture is None else self._privileged.visibility(CAMERA).fraction)
        self.reset_to(spec)
        return np.array(fractions)

    def observe(self) -> Observation:
        """Return the newest observation."""
        return self._robot.get_observation()

    def act(self, action: Action | None) -> None:
        """Execute one control period; None holds the pose."""
        self._time_s, self._mask = self._time_s + self._robot.dt_s, None
        if action is None:
            self._robot.hold()
        else:
            self._robot.send_action(action)

    def truth(self) -> Truth:
        """Return the truth about the target now: at most one segmentation per control period."""
        from robots.sim.privileged import box_of

        mask = self._target_mask()
        return Truth(self._privileged.target_position(), box_of(mask), int(mask.sum()))

    def visibility(self) -> float:
        """Return the visible fraction of the target: two renderings where any of it is visible."""
        return 0.0 if not self._target_mask().any() else self._privileged.visibility(CAMERA).fraction

    def close(self) -> None:
        """Free the graphics context."""
        self._robot.close()

    def _target_mask(self) -> NDArray[np.bool_]:
        if self._mask is None:
            self._mask = self._privileged.target_mask(CAMERA)
        return self._mask


def closed_parts(spec: EpisodeSpec) -> frozenset[str]:
    """Return the doors and drawers of a layout that are shut, or not open wide enough to look inside."""
    states = {state.name: state.value for state in spec.parts}
    parts = [part for part in find_furniture(spec.scene).parts if part.kind is not PartKind.SCREEN]
    return frozenset(p.name for p in parts if not p.is_open(states.get(p.name, p.high)))


def view_postures(views: Sequence[View], home_rad: Sequence[float]) -> list[Float | None]:
    """Return joint positions (7,) [rad] that put the wrist camera at each view, None where none was found."""
    from robots.sim.kinematics import ArmKinematics

    home = np.array(home_rad)
    kinematics = ArmKinematics(home)
    pose = kinematics.forward(home)
    camera_to_gripper = np.linalg.inv(pose.camera_to_world) @ pose.gripper_to_world
    rng = np.random.default_rng(0)
    return [kinematics.solve(view.camera_to_world @ camera_to_gripper, [home], rng) for view in views]


def target_compartment(spec: EpisodeSpec) -> int | None:
    """Return the index of the compartment that holds the target, None when it is shut or there is no target.

    Things in a drawer that is pushed in stand beyond the compartment's measures, hence the nearest one is taken.
    """
    target = next((item for item in spec.objects if item.name == spec.target_name), None)
    if target is None:
        return None
    places, point = spec.region.compartments, np.array(target.position_m)
    index = min(range(len(places)), key=lambda number: _distance_m(places[number], point))
    return None if places[index].closure in closed_parts(spec) else index


def _distance_m(place: Compartment, point_m: Float) -> float:
    """Return how far a point, (3,) [m], lies outside a compartment."""
    low = np.array([place.front_x_m, place.y_min_m, place.floor_z_m])
    high = np.array([place.front_x_m + place.depth_m, place.y_max_m, place.top_z_m])
    return float(np.linalg.norm(point_m - np.clip(point_m, low, high)))
