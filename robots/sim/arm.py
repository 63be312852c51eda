"""A seven-joint arm of the Panda class with a parallel gripper and a wrist camera, composed with `mujoco.MjSpec`.

Kinematics are Franka Robotics' published modified Denavit-Hartenberg parameters and joint limits; masses are rounded
from the identification of Gaz et al. (IEEE RA-L 2019, doi 10.1109/LRA.2019.2931248). The geometry is our own, made of
primitives, because mesh size and not image size sets the cost of a rendered frame.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np

from robots.safety import SafetyLimits
from robots.sim.arm_model import (
    ARM_BIT,
    BASE_BIT,
    LINK_BIT,
    SCENE_BIT,
    ArmModel,
    add_box,
    add_servos,
    add_tube,
    camera_quat,
    make_pad,
    spread_mass,
    turn,
)

__all__ = ["ARM_BIT", "BASE_BIT", "LINK_BIT", "PANDA", "SCENE_BIT", "WRIST_CAMERA", "add_arm", "build_arm"]

JOINT_NAMES = tuple(f"joint{index}" for index in range(1, 8))
LOWER_RAD = (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973)
UPPER_RAD = (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973)
VELOCITY_RAD_S = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)
ACCELERATION_RAD_S2 = (15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0)
TORQUE_NM = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)

# Row per joint: a [m], d [m], alpha [rad] (Craig's convention, as Franka publishes it).
DH = (
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -math.pi / 2),
    (0.0, 0.316, math.pi / 2),
    (0.0825, 0.0, math.pi / 2),
    (-0.0825, 0.384, -math.pi / 2),
    (0.0, 0.0, math.pi / 2),
    (0.088, 0.0, math.pi / 2),
)
FLANGE_M = 0.107
BRACKET_M = 0.03
HAND_PITCH_RAD = math.radians(85.0)  # an angle bracket: level approaches then fall into the middle of joint 6
TIP_M = 0.130  # from the flange to the point between the finger tips
FINGER_STROKE_M = 0.0425  # per finger
WRIST_FOVY_DEG = 70.0
WRIST_TILT_RAD = math.radians(8.0)  # towards the finger tips
# Where a servo saturates, MuJoCo integrates its damping explicitly: stable only while damping * timestep < 2 * inertia.
# The wrist joints, of 0.1 kg m^2 and 12 Nm, chatter at the gains that suit the shoulder.
STIFFNESS = (4500.0, 4500.0, 3000.0, 3000.0, 800.0, 800.0, 800.0)
DAMPING = (300.0, 300.0, 180.0, 180.0, 30.0, 30.0, 30.0)

GRIPPER_SITE = "gripper"
WRIST_CAMERA = "wrist"
FINGER_JOINTS = ("finger_left", "finger_right")
GRIPPER_ACTUATOR = "gripper"

# The wrist camera looks level at the shelves from 0.26 m before them, at (0.40, 0, 0.45). DROID's home, which is
# (0, -pi/5, 0, -4 pi/5, 0, 3 pi/5, 0), looks down at a table; here the targets stand on shelves.
HOME_RAD = (0.0, -0.664, 0.0, -2.842, 0.0, 2.405, 0.0)
STEP_M = 0.075  # largest gripper translation in one control period, as on the DROID robot
STEP_RAD = 0.15

_MASS_KG = (4.97, 0.65, 3.23, 3.59, 1.23, 1.67, 0.74)
_WHITE, _GREY, _DARK = "arm_white", "arm_grey", "arm_dark"

# Visual and collision capsules or cylinders of link 1..7: shape, end points [m], radius [m], material.
_CYLINDER, _CAPSULE = mujoco.mjtGeom.mjGEOM_CYLINDER, mujoco.mjtGeom.mjGEOM_CAPSULE
_LINKS = (
    (
        (_CAPSULE, (0, 0, -0.20), (0, 0, -0.045), 0.060, _WHITE),
        (_CYLINDER, (0, -0.068, 0), (0, 0.068, 0), 0.062, _WHITE),
        (_CYLINDER, (0, 0, -0.192), (0, 0, -0.186), 0.0615, _DARK),
    ),
    (
        (_CYLINDER, (0, 0, -0.072), (0, 0, 0.072), 0.055, _DARK),
        (_CAPSULE, (0, -0.03, 0), (0, -0.135, 0), 0.058, _WHITE),
    ),
    (
        (_CAPSULE, (0, 0, -0.165), (0.02, 0, -0.07), 0.056, _WHITE),
        (_CYLINDER, (0.0825, -0.060, 0), (0.0825, 0.060, 0), 0.055, _WHITE),
        (_CAPSULE, (0.02, 0, -0.07), (0.075, 0, -0.01), 0.054, _WHITE),
        (_CYLINDER, (0, 0, -0.188), (0, 0, -0.182), 0.0575, _DARK),
    ),
    (
        (_CYLINDER, (0, 0, -0.063), (0, 0, 0.063), 0.048, _DARK),
        (_CAPSULE, (-0.01, 0.01, 0), (-0.0825, 0.085, 0), 0.054, _WHITE),
    ),
    (
        (_CAPSULE, (0, 0, -0.26), (0, 0.02, -0.13), 0.052, _WHITE),
        (_CAPSULE, (0, 0.02, -0.13), (0, 0.062, -0.03), 0.040, _WHITE),
        (_CYLINDER, (0, -0.055, 0), (0, 0.072, 0), 0.045, _WHITE),
        (_CYLINDER, (0, 0, -0.288), (0, 0, -0.282), 0.0535, _DARK),
    ),
    (
        (_CYLINDER, (0, 0, -0.060), (0, 0, 0.060), 0.042, _DARK),
        (_CAPSULE, (0.01, 0, 0), (0.088, 0, -0.005), 0.046, _WHITE),
    ),
    (
        (_CYLINDER, (0, 0, -0.045), (0, 0, 0.085), 0.044, _WHITE),
        (_CYLINDER, (0, 0, 0.085), (0, 0, 0.107), 0.036, _DARK),
    ),
)


def build_arm() -> mujoco.MjSpec:
    """Return the arm alone: the model for kinematics."""
    return PANDA.alone()


def add_arm(spec: mujoco.MjSpec) -> None:
    """Add the arm to a world whose angles are in radians.

    Body `base` stands at the origin. The site `gripper` lies between the finger tips, z along the approach direction;
    the camera `wrist` is mounted on the hand, its image's lower edge towards the finger tips.
    """
    for name, rgba in ((_WHITE, (0.83, 0.84, 0.86)), (_GREY, (0.42, 0.43, 0.46)), (_DARK, (0.14, 0.145, 0.16))):
        spec.add_material(name=name, rgba=[*rgba, 1.0], specular=0.25, shininess=0.5)
    base = spec.worldbody.add_body(name="base", gravcomp=1.0)
    add_tube(base, _CYLINDER, ((-0.01, 0, 0.0), (-0.01, 0, 0.03)), 0.095, _GREY, BASE_BIT)
    add_tube(base, _CAPSULE, ((-0.02, 0, 0.05), (0, 0, 0.10)), 0.070, _WHITE, BASE_BIT)
    body = base
    for index, (a, d, alpha) in enumerate(DH):
        body = body.add_body(
            name=f"link{index + 1}",
            pos=[a, -math.sin(alpha) * d, math.cos(alpha) * d],
            quat=turn((1, 0, 0), alpha),
            gravcomp=1.0,
        )
        _add_joint(body, index)
        for shape, start, end, radius, material in _LINKS[index]:
            add_tube(body, shape, (start, end), radius, material, _link_bit(index))
        spread_mass(body, _MASS_KG[index])
    _add_hand(body)
    _add_actuators(spec)


def _link_bit(index: int) -> int:
    if index < 2:
        return BASE_BIT
    return ARM_BIT if index > 4 else LINK_BIT


def _add_joint(body: mujoco.MjsBody, index: int) -> None:
    body.add_joint(
        name=JOINT_NAMES[index],
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=[0, 0, 1],
        range=[LOWER_RAD[index], UPPER_RAD[index]],
        armature=0.1,
        damping=1.0,
    )


def _add_hand(flange: mujoco.MjsBody) -> None:
    """Gripper of 85 mm stroke whose fingers close along the hand's y axis, and the wrist camera on its +x side."""
    hand = flange.add_body(
        name="hand",
        pos=[BRACKET_M * math.sin(HAND_PITCH_RAD), 0, FLANGE_M + BRACKET_M],
        quat=turn((0, 1, 0), HAND_PITCH_RAD),
        gravcomp=1.0,
    )
    add_box(hand, (0, 0, 0.030), (0.026, 0.070, 0.026), _WHITE)
    add_tube(hand, _CAPSULE, ((0, -0.062, 0.048), (0, 0.062, 0.048)), 0.021, _GREY, ARM_BIT)
    add_box(hand, (0.048, 0, 0.022), (0.026, 0.012, 0.008), _DARK)
    add_box(hand, (0.072, 0, 0.018), (0.011, 0.024, 0.012), _DARK)
    spread_mass(hand, 0.73)
    tilt = WRIST_TILT_RAD
    # Camera axes in the hand frame: right, up, backwards; the view is +z, turned towards -x by the tilt.
    up = np.array([math.cos(tilt), 0.0, math.sin(tilt)])
    back = np.array([math.sin(tilt), 0.0, -math.cos(tilt)])
    hand.add_camera(
        name=WRIST_CAMERA,
        pos=[0.072, 0, 0.032],
        quat=camera_quat(up, back),
        fovy=WRIST_FOVY_DEG,
    )
    hand.add_site(name=GRIPPER_SITE, pos=[0, 0, TIP_M], size=[0.004] * 3, rgba=[0, 0, 0, 0])
    for name, sign in zip(FINGER_JOINTS, (1.0, -1.0), strict=True):
        _add_finger(hand, name, sign)


def _add_finger(hand: mujoco.MjsBody, name: str, sign: float) -> None:
    finger = hand.add_body(name=name, pos=[0, 0, 0.070], gravcomp=1.0)
    finger.add_joint(
        name=name,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=[0, sign, 0],
        range=[0, FINGER_STROKE_M],
        armature=0.1,
        damping=5.0,
    )
    add_box(finger, (0, sign * 0.016, 0.012), (0.010, 0.009, 0.014), _GREY)
    add_box(finger, (0, sign * 0.0105, 0.040), (0.009, 0.0055, 0.026), _GREY)
    pad = add_box(finger, (0, sign * 0.0025, 0.054), (0.009, 0.0025, 0.014), _DARK)
    make_pad(pad, f"{name}_pad")
    spread_mass(finger, 0.1)


def _add_actuators(spec: mujoco.MjSpec) -> None:
    add_servos(spec, JOINT_NAMES, STIFFNESS, DAMPING, TORQUE_NM)
    coupling = spec.add_equality(
        name="fingers",
        type=mujoco.mjtEq.mjEQ_JOINT,
        objtype=mujoco.mjtObj.mjOBJ_JOINT,
        name1=FINGER_JOINTS[0],
        name2=FINGER_JOINTS[1],
        solref=[0.005, 1.0],
    )
    coupling.data[:2] = (0.0, 1.0)  # positions are equal
    tendon = spec.add_tendon(name=GRIPPER_ACTUATOR)
    for name in FINGER_JOINTS:
        tendon.wrap_joint(name, 0.5)
    gripper = spec.add_actuator(
        name=GRIPPER_ACTUATOR, target=GRIPPER_ACTUATOR, trntype=mujoco.mjtTrn.mjTRN_TENDON, ctrllimited=True
    )
    gripper.set_to_position(kp=3000.0, kv=200.0)
    gripper.ctrlrange = [0.0, FINGER_STROKE_M]
    gripper.forcelimited = True
    gripper.forcerange = [-70.0, 70.0]


PANDA = ArmModel(
    name="panda",
    joint_names=JOINT_NAMES,
    limits=SafetyLimits(
        lower_rad=LOWER_RAD,
        upper_rad=UPPER_RAD,
        velocity_rad_s=VELOCITY_RAD_S,
        acceleration_rad_s2=ACCELERATION_RAD_S2,
        workspace_min_m=(0.20, -0.75, -0.10),
        workspace_max_m=(0.92, 0.75, 1.10),
    ),
    stiffness=STIFFNESS,
    damping=DAMPING,
    home_rad=HOME_RAD,
    base="base",
    links=tuple(f"link{index}" for index in range(1, 8)),
    hand="hand",
    fingers=FINGER_JOINTS,
    finger_joints=FINGER_JOINTS,
    finger_stroke=FINGER_STROKE_M,
    gripper_actuator=GRIPPER_ACTUATOR,
    gripper_site=GRIPPER_SITE,
    wrist_camera=WRIST_CAMERA,
    step_m=STEP_M,
    step_rad=STEP_RAD,
    attach=add_arm,
)
