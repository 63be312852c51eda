"""A low-cost arm of the Koch v1.1 class: five small servo joints, a fixed and a moving jaw, 0.28 m reach.

Joint names and their order are those of the real arm. Lengths, masses and servo limits are of its class (XL430 servos
at the shoulder, XL330 beyond the elbow); the geometry is our own, made of primitives. At zero the upper arm points up,
forearm and gripper point forwards; lift, elbow and wrist turn downwards.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np

from robots.safety import SafetyLimits
from robots.sim.arm_model import (
    BASE_BIT,
    LINK_BIT,
    ArmModel,
    add_box,
    add_servos,
    add_tube,
    camera_quat,
    make_pad,
    spread_mass,
    turn,
)

JOINT_NAMES = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
LOWER_RAD = (-2.1, -1.6, -1.5, -1.8, -2.8)
UPPER_RAD = (2.1, 1.6, 1.6, 1.8, 2.8)
STIFFNESS = (30.0, 30.0, 30.0, 12.0, 12.0)
DAMPING = (2.0, 2.0, 2.0, 0.8, 0.8)
TORQUE_NM = (1.4, 1.4, 1.4, 0.6, 0.6)
ARMATURE = (0.02, 0.02, 0.02, 0.01, 0.01)

SHOULDER_M = 0.075  # above the table
UPPER_ARM_M = 0.100
FOREARM_M = 0.090
WRIST_M = 0.040  # from the wrist's axis to the hand
TIP_M = 0.055  # from the hand to the point between the jaws

# From the camera's place above the jaws at home the front of the table is in view, and its sides are not.
HOME_RAD = (0.0, -0.6, 0.3, 1.0, 0.0)
WRIST_FOVY_DEG = 65.0
WRIST_TILT_RAD = math.radians(20.0)  # towards the jaws

JAW = "gripper"  # joint and servo of the moving jaw
FIXED_JAW, MOVING_JAW = "jaw_fixed", "jaw_moving"
OPEN_RAD = 1.1
PARALLEL_RAD = 0.5  # the jaws are parallel around a thing of 25 mm
_FIXED_FACE_M, _MOVING_FACE_M = -0.016, 0.009  # inner sides of the parallel jaws, along y
_PIVOT_M = (0.0, 0.022, 0.006)

_SHELL, _BLACK = "arm_shell", "arm_black"
_CYLINDER, _CAPSULE = mujoco.mjtGeom.mjGEOM_CYLINDER, mujoco.mjtGeom.mjGEOM_CAPSULE


def add_arm(spec: mujoco.MjSpec) -> None:
    """Add the arm to a world whose angles are in radians; its base stands at the origin, on a table at height 0."""
    for name, rgba in ((_SHELL, (0.24, 0.36, 0.42)), (_BLACK, (0.11, 0.11, 0.12))):
        spec.add_material(name=name, rgba=[*rgba, 1.0], specular=0.2, shininess=0.4)
    base = spec.worldbody.add_body(name="base", gravcomp=1.0)
    add_box(base, (-0.01, 0, 0.004), (0.045, 0.040, 0.004), _SHELL, BASE_BIT)
    add_box(base, (0, 0, 0.028), (0.018, 0.014, 0.020), _BLACK, BASE_BIT)
    shoulder = _link(base, 0, (0, 0, 0.050), (0, 0, 1))
    add_tube(shoulder, _CYLINDER, ((0, 0, 0), (0, 0, 0.006)), 0.022, _SHELL, BASE_BIT)
    add_box(shoulder, (0, 0, SHOULDER_M - 0.050), (0.012, 0.024, 0.017), _BLACK, BASE_BIT)
    spread_mass(shoulder, 0.09)
    upper = _link(shoulder, 1, (0, 0, SHOULDER_M - 0.050))
    add_box(upper, (0, 0, UPPER_ARM_M / 2), (0.009, 0.016, UPPER_ARM_M / 2), _SHELL, LINK_BIT)
    add_box(upper, (0, 0, UPPER_ARM_M), (0.013, 0.019, 0.012), _BLACK, LINK_BIT)
    spread_mass(upper, 0.10)
    forearm = _link(upper, 2, (0, 0, UPPER_ARM_M))
    add_box(forearm, (FOREARM_M / 2, 0, 0), (FOREARM_M / 2, 0.013, 0.008), _SHELL, LINK_BIT)
    add_box(forearm, (FOREARM_M, 0, 0), (0.011, 0.016, 0.010), _BLACK, LINK_BIT)
    spread_mass(forearm, 0.07)
    wrist = _link(forearm, 3, (FOREARM_M, 0, 0))
    add_box(wrist, (WRIST_M / 2, 0, 0), (WRIST_M / 2, 0.010, 0.010), _BLACK)
    spread_mass(wrist, 0.04)
    _add_hand(wrist)
    add_servos(spec, JOINT_NAMES, STIFFNESS, DAMPING, TORQUE_NM)
    _add_gripper_servo(spec)


def _link(
    parent: mujoco.MjsBody,
    index: int,
    pos: tuple[float, ...],
    axis: tuple[float, ...] = (0, 1, 0),
) -> mujoco.MjsBody:
    """Add the body that a joint turns; it has the joint's name."""
    body = parent.add_body(name=JOINT_NAMES[index], pos=list(pos), gravcomp=1.0)
    _add_hinge(body, JOINT_NAMES[index], axis, (LOWER_RAD[index], UPPER_RAD[index]), ARMATURE[index])
    return body


def _add_hinge(
    body: mujoco.MjsBody, name: str, axis: tuple[float, ...], span_rad: tuple[float, float], armature: float
) -> None:
    body.add_joint(
        name=name,
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=list(axis),
        range=list(span_rad),
        armature=armature,
        damping=0.05,
    )


def _add_hand(wrist: mujoco.MjsBody) -> None:
    """Add the rolling hand: z is the approach direction, x the camera's side, the jaws close along y."""
    axes = np.empty(4)
    mujoco.mju_mat2Quat(axes, np.array([[0.0, 0, 1], [0, -1, 0], [1, 0, 0]]).ravel())
    hand = wrist.add_body(name="hand", pos=[WRIST_M, 0, 0], quat=axes, gravcomp=1.0)
    _add_hinge(hand, JOINT_NAMES[4], (0, 0, 1), (LOWER_RAD[4], UPPER_RAD[4]), ARMATURE[4])
    add_box(hand, (0, 0, 0.004), (0.011, 0.022, 0.009), _BLACK)
    add_box(hand, (0.026, 0, -0.002), (0.016, 0.004, 0.003), _SHELL)
    add_box(hand, (0.045, 0, -0.009), (0.008, 0.012, 0.006), _BLACK)
    spread_mass(hand, 0.06)
    tilt = WRIST_TILT_RAD
    hand.add_camera(
        name="wrist",
        pos=[0.045, 0, -0.002],
        quat=camera_quat(
            np.array([math.cos(tilt), 0.0, math.sin(tilt)]), np.array([math.sin(tilt), 0.0, -math.cos(tilt)])
        ),
        fovy=WRIST_FOVY_DEG,
    )
    hand.add_site(name="gripper", pos=[0, 0, TIP_M], size=[0.003] * 3, rgba=[0, 0, 0, 0])
    _add_jaws(hand)


def _add_jaws(hand: mujoco.MjsBody) -> None:
    fixed = hand.add_body(name=FIXED_JAW, gravcomp=1.0)
    pad = add_box(fixed, (0, _FIXED_FACE_M - 0.003, 0.038), (0.008, 0.003, 0.023), _SHELL)
    make_pad(pad, f"{FIXED_JAW}_pad")
    spread_mass(fixed, 0.01)
    moving = hand.add_body(name=MOVING_JAW, pos=list(_PIVOT_M), quat=turn((1, 0, 0), PARALLEL_RAD), gravcomp=1.0)
    _add_hinge(moving, JAW, (-1, 0, 0), (0.0, OPEN_RAD), 0.003)
    inner = _MOVING_FACE_M - _PIVOT_M[1]
    add_box(moving, (0, inner + 0.007, 0.012), (0.007, 0.006, 0.013), _SHELL)
    pad = add_box(moving, (0, inner + 0.003, 0.038), (0.008, 0.003, 0.017), _SHELL)
    make_pad(pad, f"{MOVING_JAW}_pad")
    spread_mass(moving, 0.02)


def _add_gripper_servo(spec: mujoco.MjSpec) -> None:
    servo = spec.add_actuator(name=JAW, target=JAW, trntype=mujoco.mjtTrn.mjTRN_JOINT, ctrllimited=True)
    servo.set_to_position(kp=5.0, kv=0.2)
    servo.ctrlrange = [0.0, OPEN_RAD]
    servo.forcelimited = True
    servo.forcerange = [-0.4, 0.4]


KOCH = ArmModel(
    name="koch",
    joint_names=JOINT_NAMES,
    limits=SafetyLimits(
        lower_rad=LOWER_RAD,
        upper_rad=UPPER_RAD,
        velocity_rad_s=(3.0, 3.0, 3.0, 4.0, 4.0),
        acceleration_rad_s2=(15.0, 15.0, 15.0, 20.0, 20.0),
        workspace_min_m=(-0.25, -0.30, 0.006),
        workspace_max_m=(0.30, 0.30, 0.36),
    ),
    stiffness=STIFFNESS,
    damping=DAMPING,
    home_rad=HOME_RAD,
    base="base",
    links=JOINT_NAMES[:4],
    hand="hand",
    fingers=(FIXED_JAW, MOVING_JAW),
    finger_joints=(JAW,),
    finger_stroke=OPEN_RAD,
    gripper_actuator=JAW,
    gripper_site="gripper",
    wrist_camera="wrist",
    step_m=0.02,
    step_rad=0.15,
    attach=add_arm,
    translation_weight_per_m=30.0,
)
