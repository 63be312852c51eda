"""What the simulation must know of an arm: names, limits, servo gains, gripper and how to build it.

Everything that works with an arm (robot, kinematics, collision checks, environments) reads an `ArmModel`, for any
number of joints, and addresses joints by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.errors import UsageError
from robots.safety import SafetyLimits
from robots.types import ActionSpace

# Collision bits: every part touches the scene; within the arm only wrist and hand (ARM) are stopped by the base (BASE).
SCENE_BIT, ARM_BIT, BASE_BIT, LINK_BIT = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class ArmModel:
    """One kind of arm with a gripper of two fingers and a wrist camera. n is the number of joints.

    Attributes:
        name: For messages and registries.
        joint_names: n names; joint, and position servo of the same name.
        limits: Joint limits, and the box that the gripper point must stay in.
        stiffness: Servo gain of each joint [Nm/rad].
        damping: Servo damping of each joint [Nm s/rad].
        home_rad: Joint positions at the start of an episode, n values.
        base: Body that everything else of the arm hangs on.
        links: Bodies between base and hand.
        hand: Body that carries the fingers and the camera.
        fingers: Bodies of the two fingers; an object is held when both touch it.
        finger_joints: Joints that move fingers; all stand at 0 when closed.
        finger_stroke: Where the finger joints, and the gripper's actuator, stand when open: [m] for slides, [rad] for
            hinges.
        gripper_actuator: Position servo of the gripper.
        gripper_site: Point between the finger tips: z is the approach direction, the fingers close along y.
        wrist_camera: Camera on the hand.
        step_m: Largest gripper translation in one control period.
        step_rad: Largest gripper rotation in one control period.
        translation_weight_per_m: How much a missed metre per second counts against a missed radian per second where
            the arm cannot follow a twist exactly; above 1 for arms of fewer than six joints, so that the gripper goes
            where it is told and turns as well as it can.
        attach: Adds the arm to a world whose angles are in radians, its base at the origin.
    """

    name: str
    joint_names: tuple[str, ...]
    limits: SafetyLimits
    stiffness: tuple[float, ...]
    damping: tuple[float, ...]
    home_rad: tuple[float, ...]
    base: str
    links: tuple[str, ...]
    hand: str
    fingers: tuple[str, str]
    finger_joints: tuple[str, ...]
    finger_stroke: float
    gripper_actuator: str
    gripper_site: str
    wrist_camera: str
    step_m: float
    step_rad: float
    attach: Callable[[mujoco.MjSpec], None]
    translation_weight_per_m: float = 1.0

    def __post_init__(self) -> None:
        per_joint = (self.limits.lower_rad, self.stiffness, self.damping, self.home_rad)
        if any(len(values) != len(self.joint_names) for values in per_joint):
            raise UsageError(f"arm {self.name}: limits, gains and home need one value per joint each.")
        if min(self.finger_stroke, self.step_m, self.step_rad, self.translation_weight_per_m) <= 0.0:
            raise UsageError(f"arm {self.name}: finger stroke, largest steps and translation weight must be positive.")

    @property
    def bodies(self) -> tuple[str, ...]:
        """Every body of the arm."""
        return (self.base, *self.links, self.hand, *self.fingers)

    def width(self, space: ActionSpace) -> int:
        """Return how many numbers an action of a space holds."""
        return 6 if space is ActionSpace.CARTESIAN_VELOCITY else len(self.joint_names)

    def alone(self) -> mujoco.MjSpec:
        """Return a world that holds nothing but the arm: the model for kinematics."""
        spec = mujoco.MjSpec()
        spec.compiler.degree = False
        self.attach(spec)
        return spec


def add_tube(
    body: mujoco.MjsBody,
    shape: mujoco.mjtGeom,
    ends: tuple[tuple[float, ...], tuple[float, ...]],
    radius_m: float,
    material: str,
    bit: int,
) -> None:
    """Add a capsule or cylinder between two points of the body's frame; wrist and hand are stopped by the base."""
    body.add_geom(
        type=shape,
        fromto=[*ends[0], *ends[1]],
        size=[radius_m, 0, 0],
        material=material,
        contype=bit,
        conaffinity=SCENE_BIT | (BASE_BIT if bit == ARM_BIT else 0),
    )


def add_box(
    body: mujoco.MjsBody,
    center: tuple[float, ...],
    half: tuple[float, ...],
    material: str,
    bit: int = ARM_BIT,
) -> mujoco.MjsGeom:
    """Add a box; wrist and hand are stopped by the base."""
    return body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=list(center),
        size=list(half),
        material=material,
        contype=bit,
        conaffinity=SCENE_BIT | (BASE_BIT if bit == ARM_BIT else 0),
    )


def make_pad(geom: mujoco.MjsGeom, name: str) -> None:
    """Give a finger's geom the grip of rubber, whatever it touches."""
    geom.name = name
    geom.friction = [1.6, 0.02, 0.0005]
    geom.condim = 4
    geom.priority = 1
    geom.solref = [0.01, 1.0]


def spread_mass(body: mujoco.MjsBody, mass_kg: float) -> None:
    """Share a link's mass over its geoms, so that MuJoCo derives a consistent inertia from their shapes."""
    for geom in body.geoms:
        geom.mass = mass_kg / len(body.geoms)


def add_servos(
    spec: mujoco.MjSpec,
    joints: tuple[str, ...],
    stiffness: tuple[float, ...],
    damping: tuple[float, ...],
    torque_nm: tuple[float, ...],
) -> None:
    """Add one position servo per joint, named as the joint."""
    for name, gain, loss, torque in zip(joints, stiffness, damping, torque_nm, strict=True):
        actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_position(kp=gain, kv=loss)
        actuator.forcelimited = True
        actuator.forcerange = [-torque, torque]


def turn(axis: tuple[float, float, float], angle_rad: float) -> list[float]:
    """Return the quaternion of a rotation about an axis of unit length."""
    return [math.cos(angle_rad / 2), *(math.sin(angle_rad / 2) * component for component in axis)]


def camera_quat(up: NDArray[np.float64], back: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quaternion of a MuJoCo camera from its up axis and the direction it looks away from, (3,) each."""
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.column_stack([np.cross(up, back), up, back]).ravel())
    return quat
