"""Forward and differential kinematics of any serial arm, from an MJCF or URDF file that MuJoCo compiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robots.errors import UsageError
from robots.real.profile import ModelProfile
from robots.types import Float

_SINGULAR, _DAMPING = 0.05, 0.05


class SerialArm:
    """Kinematics of n joints up to the gripper point. Holds scratch data only: one instance per thread.

    Args:
        model: File, joint names and gripper.

    Raises:
        UsageError: The file cannot be compiled, or has no such joint, site or body.
    """

    def __init__(self, model: ModelProfile) -> None:
        import mujoco

        if not Path(model.file).is_file():
            raise UsageError(f"model: there is no file {model.file}.")
        try:
            self._model = mujoco.MjModel.from_xml_path(model.file)
        except ValueError as error:
            raise UsageError(f"model: {model.file} cannot be compiled: {' '.join(str(error).split())}") from error
        self._mujoco, self._data = mujoco, mujoco.MjData(self._model)
        joints = [self._find("joint", mujoco.mjtObj.mjOBJ_JOINT, name) for name in model.joints]
        self._qpos, self._dofs = self._model.jnt_qposadr[joints], self._model.jnt_dofadr[joints]
        kind = "site" if model.site else "body"
        tag = mujoco.mjtObj.mjOBJ_SITE if model.site else mujoco.mjtObj.mjOBJ_BODY
        self._frame = self._find(kind, tag, model.site or model.body)
        self._poses = (self._data.site_xpos, self._data.site_xmat) if model.site else (self._data.xpos, self._data.xmat)
        self._body = int(self._model.site_bodyid[self._frame]) if model.site else self._frame
        self._gripper = model.gripper.matrix()
        self._jacobian = np.empty((6, self._model.nv))

    def forward(self, joints_rad: Float) -> Float:
        """Return the gripper point's pose in the world frame, (4, 4), at (n,) [rad]."""
        self._data.qpos[self._qpos] = joints_rad
        self._mujoco.mj_kinematics(self._model, self._data)
        pose = np.eye(4)
        pose[:3, 3] = self._poses[0][self._frame]
        pose[:3, :3] = self._poses[1][self._frame].reshape(3, 3)
        return pose @ self._gripper

    def jacobian(self, joints_rad: Float) -> Float:
        """Return the gripper point's Jacobian in the world frame, (6, n): linear rows first."""
        point = self.forward(joints_rad)[:3, 3]
        self._mujoco.mj_comPos(self._model, self._data)
        self._mujoco.mj_jac(self._model, self._data, self._jacobian[:3], self._jacobian[3:], point, self._body)
        return self._jacobian[:, self._dofs]

    def joint_velocity(self, joints_rad: Float, twist: Float, low: Float, high: Float) -> Float:
        """Return joint velocities, (n,) [rad/s], that come nearest to a gripper twist, (6,) [m/s, rad/s].

        Damped least squares; the joint that exceeds its bounds `low`, `high` most is locked at the bound and the rest
        is solved again (Flacco et al., ICRA 2012, doi 10.1109/ICRA.2012.6225376). Damping sets in near singularities
        only (Nakamura and Hanafusa 1986, doi 10.1115/1.3143764).
        """
        jacobian = self.jacobian(joints_rad)
        velocity, free = np.zeros(len(joints_rad)), np.ones(len(joints_rad), dtype=bool)
        while free.any():
            velocity[free] = _damped(jacobian[:, free], twist - jacobian[:, ~free] @ velocity[~free])
            excess = np.maximum(velocity - high, low - velocity) * free
            worst = int(np.argmax(excess))
            if excess[worst] <= 1e-9:
                break
            velocity[worst], free[worst] = min(max(velocity[worst], low[worst]), high[worst]), False
        return np.clip(velocity, low, high)

    def _find(self, kind: str, tag: int, name: str) -> int:
        index = int(self._mujoco.mj_name2id(self._model, tag, name))
        if index >= 0:
            return index
        count = {"joint": self._model.njnt, "site": self._model.nsite, "body": self._model.nbody}[kind]
        names = [self._mujoco.mj_id2name(self._model, tag, i) or "" for i in range(count)]
        raise UsageError.unknown(f"{kind} of the model", name, filter(None, names))


def _damped(jacobian: Float, task: Float) -> Float:
    """Return argmin |J v - task|^2 + d^2 |v|^2, with d rising from 0 where the smallest singular value nears 0."""
    left, values, right = np.linalg.svd(jacobian, full_matrices=False)
    share = max(0.0, 1.0 - (float(values[-1]) / _SINGULAR) ** 2)
    return right.T @ (values / (values**2 + share * _DAMPING**2 + 1e-12) * (left.T @ task))
