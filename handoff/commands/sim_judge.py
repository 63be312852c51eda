"""The judge over the simulation's ground truth."""

from __future__ import annotations

import numpy as np

from handoff.judge import Box
from robots.sim.mujoco_robot import MujocoRobot
from robots.sim.privileged import PrivilegedView

LEAST_SHARE = 0.25  # of the target's visible pixels that the trigger's box must cover


class SimulationJudge:
    """Satisfies `handoff.judge.Judge` for one episode of a simulated robot."""

    def __init__(self, robot: MujocoRobot, truth: PrivilegedView, oracle_steps: int | None = None) -> None:
        self._robot, self._truth = robot, truth
        self._oracle_steps = oracle_steps
        self._collision_steps = 0

    def target_seen(self, box_xyxy_px: Box | None) -> bool:
        """Whether the target is visible, and the box covers at least a quarter of its visible pixels."""
        mask = self._truth.target_mask()
        if box_xyxy_px is None or not mask.any():
            return bool(mask.any())
        left, top, right, bottom = box_xyxy_px
        rows, columns = slice(max(int(top), 0), int(np.ceil(bottom))), slice(max(int(left), 0), int(np.ceil(right)))
        return float(mask[rows, columns].sum()) >= LEAST_SHARE * float(mask.sum())

    def target_held(self) -> bool:
        """Whether the target is lifted by at least 5 cm and held between the fingers."""
        return self._truth.judge().success

    def collided(self) -> bool:
        """Whether arm or hand touched the bookcase or another object since the last call."""
        before, self._collision_steps = self._collision_steps, self._robot.collision_steps
        return self._collision_steps > before

    def oracle_steps(self) -> int | None:
        """Control periods of the oracle's search in this layout; see `handoff.commands.oracle`."""
        return self._oracle_steps
