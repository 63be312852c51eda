"""Forward kinematics, differential and multi-start inverse kinematics of a simulated arm, on a robot-only model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import mujoco
import numpy as np

from robots.sim import arm
from robots.sim.arm_model import ArmModel
from robots.types import Float

LOWER_RAD = np.array(arm.LOWER_RAD)
UPPER_RAD = np.array(arm.UPPER_RAD)

# MuJoCo's camera looks along -z with y up; OpenCV's along +z with y down.
OPENCV_FROM_MUJOCO = np.diag([1.0, -1.0, -1.0])

# Chosen so that a camera servo gets from any view of the shelves to any other without sticking at a joint limit.
_DAMPING, _SINGULAR = 0.05, 0.12
_BIAS_PER_S, _BIAS_RAD_S = 4.0, 1.5


@dataclass(frozen=True, slots=True, eq=False)
class ArmPose:
    """Where the hand is: homogeneous poses (4, 4) of the gripper point and of the wrist camera (OpenCV axes)."""

    gripper_to_world: Float
    camera_to_world: Float


@cache
def robot_model(model: ArmModel = arm.PANDA) -> mujoco.MjModel:
    """Return the compiled model of an arm alone; shared and never modified."""
    return model.alone().compile()


class ArmKinematics:
    """Kinematics of one arm of n joints. Holds scratch data only: one instance per thread.

    Args:
        rest_rad: (n,) posture that redundant joints drift towards; the middle of the limits when None.
        model: The arm.
    """

    def __init__(self, rest_rad: Float | None = None, model: ArmModel = arm.PANDA) -> None:
        self.arm = model
        self.lower_rad, self.upper_rad = np.array(model.limits.lower_rad), np.array(model.limits.upper_rad)
        self._velocity_rad_s = np.array(model.limits.velocity_rad_s)
        self._weight = model.translation_weight_per_m
        self._model = robot_model(model)
        self._data = mujoco.MjData(self._model)
        joints = [self._model.joint(name) for name in model.joint_names]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dofs = np.array([joint.dofadr[0] for joint in joints])
        self._site = self._model.site(model.gripper_site).id
        self._camera = self._model.camera(model.wrist_camera).id
        self._jacobian = np.empty((6, self._model.nv))
        middle = 0.5 * (self.lower_rad + self.upper_rad)
        self.rest_rad = middle if rest_rad is None else np.asarray(rest_rad, dtype=float)

    def forward(self, q_rad: Float) -> ArmPose:
        """Return gripper and camera pose at joint positions `q_rad`, (n,) [rad]."""
        self._place(q_rad)
        data = self._data
        return ArmPose(
            _pose(data.site_xmat[self._site].reshape(3, 3), data.site_xpos[self._site]),
            _pose(
                data.cam_xmat[self._camera].reshape(3, 3) @ OPENCV_FROM_MUJOCO,
                data.cam_xpos[self._camera],
            ),
        )

    def jacobian(self, q_rad: Float) -> Float:
        """Return the gripper point's Jacobian in the world frame, (6, n): linear rows first."""
        self._place(q_rad)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_jacSite(self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site)
        return self._jacobian[:, self._dofs]

    def twist_to_joint_velocity(self, q_rad: Float, twist: Float, *, dt_s: float = 1 / 15) -> Float:
        """Return joint velocities that realise a gripper twist as well as the limits allow.

        Damped least squares with saturation in the null space: a joint that would exceed its speed or, within
        `dt_s`, its range is locked at the bound and the rest is solved again (Flacco et al., ICRA 2012,
        doi 10.1109/ICRA.2012.6225376). What redundancy is left pulls towards `rest_rad`. An arm of fewer than six
        joints meets the twist in the least-squares sense, translation first (`ArmModel.translation_weight_per_m`).

        Args:
            q_rad: (n,) joint positions [rad].
            twist: (6,) linear [m/s] and angular [rad/s] velocity of the gripper point, world frame.
            dt_s: Time that the velocity will be applied for [s].

        Returns:
            (n,) joint velocities [rad/s].
        """
        jacobian, wanted = self.jacobian(q_rad), twist
        if self._weight != 1.0:
            jacobian, wanted = jacobian.copy(), np.array(twist, dtype=float)
            jacobian[:3] *= self._weight
            wanted[:3] *= self._weight
        low = np.maximum(-self._velocity_rad_s, np.minimum((self.lower_rad - q_rad) / dt_s, 0.0))
        high = np.minimum(self._velocity_rad_s, np.maximum((self.upper_rad - q_rad) / dt_s, 0.0))
        bias: Float = np.zeros(len(low))
        if np.any(twist):
            bias = np.clip(_BIAS_PER_S * (self.rest_rad - q_rad), -_BIAS_RAD_S, _BIAS_RAD_S)
        velocity = np.zeros(len(low))
        free = np.ones(len(low), dtype=bool)
        for _ in range(len(low)):
            task = wanted - jacobian[:, ~free] @ velocity[~free]
            velocity[free] = _biased_solve(jacobian[:, free], task, bias[free])
            excess = np.maximum(velocity - high, low - velocity) * free
            worst = int(np.argmax(excess))
            if excess[worst] <= 1e-9:
                break
            velocity[worst] = min(max(velocity[worst], low[worst]), high[worst])
            free[worst] = False
        return np.clip(velocity, low, high)

    def solve(
        self,
        gripper_to_world: Float,
        seeds: Iterable[Float],
        rng: np.random.Generator,
        *,
        free_roll: bool = False,
        restarts: int = 8,
    ) -> Float | None:
        """Return joint positions (n,) that reach the pose, or None when no start converged.

        Args:
            gripper_to_world: (4, 4) wanted pose of the gripper point.
            seeds: Starting postures that are tried first, (n,) each.
            rng: Draws the further starting postures.
            free_roll: Leave the rotation about the approach axis open.
            restarts: Number of random starts after the seeds.
        """
        return next(self.solutions(gripper_to_world, seeds, rng, free_roll=free_roll, restarts=restarts), None)

    def solutions(
        self,
        gripper_to_world: Float,
        seeds: Iterable[Float],
        rng: np.random.Generator,
        *,
        free_roll: bool = False,
        restarts: int = 8,
    ) -> Iterator[Float]:
        """Yield every converged solution of `solve`'s starts in turn, for a caller that also checks collisions."""
        for seed in seeds:
            if (
                found := self._descend(gripper_to_world, np.asarray(seed, dtype=float), free_roll=free_roll)
            ) is not None:
                yield found
        for _ in range(restarts):
            start = rng.uniform(self.lower_rad, self.upper_rad)
            if (found := self._descend(gripper_to_world, start, free_roll=free_roll)) is not None:
                yield found

    def _descend(self, target: Float, start: Float, *, free_roll: bool, steps: int = 60) -> Float | None:
        q = np.clip(start, self.lower_rad, self.upper_rad)
        for _ in range(steps):
            jacobian = self.jacobian(q)
            rotation = self._data.site_xmat[self._site].reshape(3, 3)
            turn = rotation_vector(target[:3, :3] @ rotation.T)
            if free_roll:
                # Only the approach axis matters: align it along the shortest arc.
                turn = _shortest_arc(rotation[:, 2], target[:3, 2])
                jacobian = _without_roll(jacobian, rotation[:, 2])
            error = np.concatenate([target[:3, 3] - self._data.site_xpos[self._site], turn])
            if np.linalg.norm(error[:3]) < 5e-4 and np.linalg.norm(error[3:]) < 5e-3:
                return q
            size = float(np.linalg.norm(error))
            bias = 0.1 * min(size, 1.0) * (self.rest_rad - q)
            step = _damped_solve(jacobian, error, bias, damping=0.02 + 0.1 * min(size, 1.0))
            step *= min(1.0, 0.5 / max(float(np.abs(step).max()), 1e-9))
            q = np.clip(q + step, self.lower_rad, self.upper_rad)
        return None

    def _place(self, q_rad: Float) -> None:
        self._data.qpos[self._qpos] = q_rad
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)


def rotation_vector(rotation: Float) -> Float:
    """Return the rotation vector (3,) [rad] of a rotation matrix (3, 3)."""
    quat = np.empty(4)
    vector = np.empty(3)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(rotation).ravel())
    mujoco.mju_quat2Vel(vector, quat, 1.0)
    return vector


def rotation_of(vector: Float) -> Float:
    """Return the rotation matrix (3, 3) of a rotation vector (3,) [rad]."""
    quat, matrix = np.empty(4), np.empty(9)
    angle = float(np.linalg.norm(vector))
    axis = np.asarray(vector, dtype=np.float64) / angle if angle > 1e-12 else np.array([0.0, 0.0, 1.0])
    mujoco.mju_axisAngle2Quat(quat, axis, angle)
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)


def _shortest_arc(start: Float, end: Float) -> Float:
    axis = np.cross(start, end)
    sine = float(np.linalg.norm(axis))
    angle = np.arctan2(sine, float(start @ end))
    if sine < 1e-9:
        return np.zeros(3) if angle < 1.0 else np.array([0.0, 0.0, np.pi])
    return axis * (angle / sine)


def _without_roll(jacobian: Float, approach: Float) -> Float:
    projected = jacobian.copy()
    projected[3:] -= np.outer(approach, approach @ jacobian[3:])
    return projected


def _damped_solve(jacobian: Float, task: Float, bias: Float, *, damping: float = 0.02) -> Float:
    """Return argmin |J v - task|^2 + damping^2 |v - bias|^2 in closed form (Nakamura and Hanafusa 1986)."""
    gram = jacobian @ jacobian.T
    gram[np.diag_indices(6)] += damping * damping
    return bias + jacobian.T @ np.linalg.solve(gram, task - jacobian @ bias)


def _biased_solve(jacobian: Float, task: Float, bias: Float) -> Float:
    """Return damped least squares for the task plus the bias in the exact null space, where it cannot disturb it.

    Damping sets in only near a singularity, as Nakamura and Hanafusa (1986) propose, so that motion is exact elsewhere.
    """
    gram = jacobian @ jacobian.T
    share = max(0.0, 1.0 - float(np.linalg.eigvalsh(gram)[0]) / _SINGULAR**2)
    exact = np.linalg.solve(gram + 1e-8 * np.eye(6), jacobian @ bias)
    damped = np.linalg.solve(gram + (1e-8 + share * _DAMPING**2) * np.eye(6), task)
    return bias + jacobian.T @ (damped - exact)


def _pose(rotation: Float, position: Float) -> Float:
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = position
    return pose
