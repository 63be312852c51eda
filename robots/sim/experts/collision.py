"""Does the arm touch anything? Contact queries on a private copy of the compiled scene, without dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import mujoco
import numpy as np

from robots.sim.arm import PANDA
from robots.sim.arm_model import ArmModel
from robots.types import Float

MARGIN_M = 0.004


class TargetContact(Enum):
    """Which contacts with the target do not count as collisions."""

    NONE = auto()
    FINGERS = auto()  # while the fingers close around it
    ANY = auto()  # once it is carried: it is no longer where the state vector says


@dataclass(frozen=True, slots=True)
class ArmIndices:
    """Where the arm is in a compiled scene.

    Attributes:
        joints: Addresses of the joints in qpos.
        fingers: Addresses of the finger joints in qpos.
        arm_geoms: Ids of every geom of the arm, hand and fingers.
        hand_geoms: Ids of the hand's and the fingers' geoms.
        finger_geoms: Ids of the fingers' geoms.
    """

    joints: tuple[int, ...]
    fingers: tuple[int, ...]
    arm_geoms: frozenset[int]
    hand_geoms: frozenset[int]
    finger_geoms: frozenset[int]

    @classmethod
    def of(cls, model: mujoco.MjModel, arm: ArmModel = PANDA) -> ArmIndices:
        """Look the arm up by name."""
        bodies = {model.body(name).id for name in arm.bodies}
        fingers = {model.body(name).id for name in arm.fingers}
        hand = fingers | {model.body(arm.hand).id}
        return cls(
            joints=tuple(int(model.joint(name).qposadr[0]) for name in arm.joint_names),
            fingers=tuple(int(model.joint(name).qposadr[0]) for name in arm.finger_joints),
            arm_geoms=frozenset(i for i in range(model.ngeom) if int(model.geom_bodyid[i]) in bodies),
            hand_geoms=frozenset(i for i in range(model.ngeom) if int(model.geom_bodyid[i]) in hand),
            finger_geoms=frozenset(i for i in range(model.ngeom) if int(model.geom_bodyid[i]) in fingers),
        )


class CollisionChecker:
    """Answers whether arm postures are free, with everything else where a state vector says.

    Args:
        model: The compiled scene, arranged for the episode; copied, so later edits need a new checker.
        qpos: (nq,) the state of the world.
        target_body: Body id of the object that the fingers may touch when asked for; -1 for none.
        part: Name of the door or drawer that is being opened: the fingers may touch its handle at any time, and
            `set_opening` moves it.
        arm: The arm in the scene.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        qpos: Float,
        target_body: int = -1,
        *,
        part: str | None = None,
        arm: ArmModel = PANDA,
    ) -> None:
        self._model = _arm_contacts_only(model, arm)
        self._stroke = arm.finger_stroke
        self._data = mujoco.MjData(self._model)
        self._data.qpos[:] = qpos
        self._indices = ArmIndices.of(self._model, arm)
        self._target_body = target_body
        self._handle = frozenset[int]() if part is None else handle_geoms(model, part)
        self._opening = None if part is None else int(model.joint(part).qposadr[0])

    def set_opening(self, value: float) -> None:
        """Move the part to an opening: [rad] for a door, [m] for a drawer."""
        if self._opening is not None:
            self._data.qpos[self._opening] = value

    def free(self, q_rad: Float, target: TargetContact = TargetContact.NONE) -> bool:
        """Return whether the arm at `q_rad` (n,) [rad] with open fingers stays clear of everything.

        Args:
            q_rad: Joint positions.
            target: Which contacts with the target are allowed.
        """
        contacts = self._contacts(q_rad)
        return all(self._allowed(first, second, target) for first, second in contacts)

    def hand_free(self, q_rad: Float, target: TargetContact = TargetContact.NONE) -> bool:
        """Return whether hand and fingers, whatever the rest of the arm does, stay clear of everything."""
        contacts = self._contacts(q_rad)
        hand = self._indices.hand_geoms
        return all(self._allowed(first, second, target) for first, second in contacts if hand & {first, second})

    def path_free(self, path_rad: Float, target: TargetContact = TargetContact.NONE) -> bool:
        """Return whether every posture of a path (m, n) is free."""
        return all(self.free(q, target) for q in path_rad)

    def _contacts(self, q_rad: Float) -> list[list[int]]:
        """Return the pairs of geoms in contact at `q_rad` with open fingers."""
        self._data.qpos[list(self._indices.joints)] = q_rad
        self._data.qpos[list(self._indices.fingers)] = self._stroke
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_collision(self._model, self._data)
        pairs: list[list[int]] = self._data.contact.geom[: self._data.ncon].tolist()
        return pairs

    def _allowed(self, first: int, second: int, target: TargetContact) -> bool:
        geoms = {first, second}
        if not geoms & self._indices.arm_geoms:
            return True
        if geoms & self._handle and geoms & self._indices.finger_geoms:
            return True
        if target is TargetContact.NONE or self._target_body not in {int(self._model.geom_bodyid[g]) for g in geoms}:
            return False
        return target is TargetContact.ANY or bool(geoms & self._indices.finger_geoms)


def handle_geoms(model: mujoco.MjModel, part: str) -> frozenset[int]:
    """Return the ids of the geoms of a part's handle: those named `<part>_handle...`."""
    return frozenset(geom for geom in range(model.ngeom) if model.geom(geom).name.startswith(f"{part}_handle"))


def _arm_contacts_only(model: mujoco.MjModel, arm: ArmModel) -> mujoco.MjModel:
    """Return a copy in which only pairs with a part of the arm are tested, with a safety margin around the arm."""
    copy = mujoco.MjModel.__copy__(model)
    copy.opt.enableflags &= ~int(mujoco.mjtEnableBit.mjENBL_SLEEP)
    parts = list(ArmIndices.of(copy, arm).arm_geoms)
    others = np.setdiff1d(np.arange(copy.ngeom), parts)
    copy.geom_contype[others] = 0
    copy.geom_margin[parts] = MARGIN_M
    return copy
