"""What a dataset records of a simulated episode, and where it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from handoff.dataset.columns import DatasetLayout
from handoff.dataset.folder import DatasetFolder
from handoff.dataset.frames import Sources
from handoff.dataset.recorder import DatasetRecorder
from handoff.records import Job
from handoff.run_folder import DATASET
from robots.sim.arm import WRIST_CAMERA
from robots.sim.mujoco_robot import MujocoRobot
from robots.sim.privileged import PrivilegedView
from robots.sim.scene import THIRD_PERSON_CAMERA
from robots.types import Float

THIRD_PERSON = "third_person"
THIRD_PERSON_PX = (224, 168)
PRIVILEGED = {
    "target_present": (1,),
    "target_position_m": (3,),
    "target_visible_fraction": (1,),
    "target_visible_px": (1,),
    "target_alone_px": (1,),
    "target_box_xyxy_px": (4,),
}


class SimulatedDataset:
    """Opens a recorder per episode of a simulated robot.

    Args:
        run: The run folder; parts go to its `dataset.journal`.
        robot: The robot.
        truth: Its ground truth.
        video: Store video (small) instead of images (exact).
        wait: Slow the loop instead of dropping rows; only for simulated time.
    """

    def __init__(self, run: Path, robot: MujocoRobot, truth: PrivilegedView, *, video: bool, wait: bool) -> None:
        self._journal, self._robot, self._truth, self._wait = DatasetFolder(run / DATASET).journal, robot, truth, wait
        cameras = {WRIST_CAMERA: robot.config.wrist_px, THIRD_PERSON: THIRD_PERSON_PX}
        self._layout = DatasetLayout.of_robot(robot.description, cameras, PRIVILEGED, video=video)
        self._sources = Sources(
            images={THIRD_PERSON: lambda: robot.renderer.color(robot.data, THIRD_PERSON_CAMERA, THIRD_PERSON_PX)},
            privileged=truth.observe,
            joint_target=self._joint_target,
        )

    def recorder(self, job: Job) -> DatasetRecorder:
        """Return the recorder of one episode; the judge's success is its reward."""
        return DatasetRecorder(
            self._journal,
            job.name,
            self._layout,
            self._sources,
            wait=self._wait,
            success=lambda _outcome: self._truth.judge().success,
            notes={"method": job.method, "seed": job.seed},
        )

    def _joint_target(self) -> Float:
        """Return the joint targets that were sent last [rad] (n,), whatever space the action came in.

        They come first in the state of the robot's command channel.
        """
        return np.array(self._robot.state()["channel"][: len(self._layout.joint_names)])
