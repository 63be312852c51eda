"""The simulated robot as a `SearchWorld`."""

from __future__ import annotations

from robots.region import SearchRegion
from robots.types import Action, CameraIntrinsics, Observation, Task
from search_policy.world import CAMERA, Truth


class SimulatedWorld:
    """The MuJoCo robot with a clock that advances one control period per action. One per process.

    Args:
        wrist_px: Width and height of the wrist image.
        randomization: What varies besides the layout: a preset's name or a YAML file's path.

    Raises:
        UsageError: There is no such randomisation.
    """

    def __init__(self, wrist_px: tuple[int, int] = (84, 84), *, randomization: str = "train") -> None:
        from robots.sim.mujoco_robot import MujocoRobot, SimConfig
        from robots.sim.privileged import PrivilegedView
        from robots.sim.randomization import load_randomization
        from robots.sim.scene import REGION

        self._randomization = load_randomization(randomization)
        self._time_s = 0.0
        self._robot = MujocoRobot(SimConfig(wrist_px=wrist_px), lambda: self._time_s)
        self._robot.connect()
        self._privileged = PrivilegedView(self._robot)
        self._region = REGION

    @property
    def region(self) -> SearchRegion:
        """The bookcase."""
        return self._region

    @property
    def intrinsics(self) -> CameraIntrinsics:
        """Of the wrist camera."""
        return self._robot.description.cameras[CAMERA]

    @property
    def collisions(self) -> int:
        """Control periods with a forbidden contact since the last reset."""
        return self._robot.collision_steps

    def reset(self, task: str, seed: int) -> Task:
        """Set up the layout of that seed."""
        from robots.sim.layout import sample_episode

        spec = sample_episode(task, seed, randomization=self._randomization)
        self._time_s = 0.0
        self._robot.reset(spec)
        return spec.task

    def observe(self) -> Observation:
        """Return the newest observation."""
        return self._robot.get_observation()

    def act(self, action: Action | None) -> None:
        """Execute one control period; None holds the pose."""
        self._time_s += self._robot.dt_s
        if action is None:
            self._robot.hold()
        else:
            self._robot.send_action(action)

    def truth(self) -> Truth:
        """Return the truth about the target now: one segmentation."""
        mask = self._privileged.target_mask(CAMERA)
        from robots.sim.privileged import box_of

        return Truth(self._privileged.target_position(), box_of(mask), int(mask.sum()))

    def visibility(self) -> float:
        """Return the visible fraction of the target: two renderings."""
        return self._privileged.visibility(CAMERA).fraction

    def close(self) -> None:
        """Free the graphics context."""
        self._robot.close()


def target_shelf(task: str, seed: int) -> int:
    """Return the shelf on which the target of that layout stands, without building a world."""
    from robots.sim.layout import sample_episode

    spec = sample_episode(task, seed)
    height = next(item.position_m[2] for item in spec.objects if item.name == spec.target_name)
    shelves = spec.region.compartments
    return min(range(len(shelves)), key=lambda shelf: abs(shelves[shelf].floor_z_m - height))
