"""Doubles of real arms: a LeRobot robot and the franky module, both exact followers that record every write."""

from __future__ import annotations

# ruff: noqa: N802 - the constructors of franky bear class names
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from lerobot.robots import Robot, RobotConfig

from robots.franka_adapter.link import FrankyLink
from robots.franka_adapter.rig import CameraRig
from robots.lerobot_adapter.link import LerobotLink
from robots.reading import read
from robots.real.arm import RealArm
from robots.real.profile import Profile

JOINTS = ("pan", "lift", "elbow", "flex", "roll")
PX = (48, 64, 3)
ARM_XML = """
<mujoco><compiler angle="radian"/><worldbody><body name="base">
  <body name="l1" pos="0 0 .06"><joint name="pan" axis="0 0 1"/><geom size=".01" mass=".1"/>
    <body name="l2" pos="0 0 .06"><joint name="lift" axis="0 1 0"/><geom size=".01" mass=".1"/>
      <body name="l3" pos=".03 0 .12"><joint name="elbow" axis="0 1 0"/><geom size=".01" mass=".1"/>
        <body name="l4" pos=".13 0 0"><joint name="flex" axis="0 1 0"/><geom size=".01" mass=".1"/>
          <body name="l5" pos=".05 0 0"><joint name="roll" axis="1 0 0"/><geom size=".01" mass=".1"/>
            <site name="tip" pos=".08 0 0" euler="0 1.5707963 0"/>
</body></body></body></body></body></body></worldbody></mujoco>
"""


def picture(index: int) -> np.ndarray:
    """A picture that differs from its neighbours."""
    image = np.full(PX, 90, dtype=np.uint8)
    image[index % PX[0], :, 0] = 200
    return image


@RobotConfig.register_subclass("baton_double")
@dataclass
class LerobotDoubleConfig(RobotConfig):
    """Configuration of `LerobotDouble`; LeRobot finds the class by its name."""

    port: str = ""


class LerobotDouble(Robot):
    """Five joints in degrees and a gripper of 0 (closed) to 100 (open): follows goals at once."""

    config_class = LerobotDoubleConfig
    name = "baton_double"

    def __init__(self, config: LerobotDoubleConfig | None = None) -> None:
        self.config = config or LerobotDoubleConfig(port="x", id="test")
        super().__init__(self.config)
        self.state = {f"{joint}.pos": 0.0 for joint in JOINTS} | {"gripper.pos": 100.0}
        self.written: list[dict[str, float]] = []
        self.connected, self.calibrated, self.connects = False, True, 0
        self.frozen = self.black = self.stale = self.unplugged = False
        self.most_deg = 1e9
        self.pictures = 0

    @property
    def observation_features(self):
        return {**self.action_features, "front": PX}

    @property
    def action_features(self):
        return dict.fromkeys([*(f"{joint}.pos" for joint in JOINTS), "gripper.pos"], float)

    @property
    def is_connected(self):
        return self.connected

    @property
    def is_calibrated(self):
        return self.calibrated

    def connect(self, calibrate=True):
        self.connected, self.unplugged = True, False
        self.connects += 1

    def calibrate(self):
        raise AssertionError("Baton must never calibrate")

    def configure(self):
        pass

    def get_observation(self):
        self.require()
        if self.stale:
            raise TimeoutError("front latest frame is too old: 612.0 ms")
        self.pictures += not self.frozen
        image = np.zeros(PX, np.uint8) if self.black else picture(self.pictures)
        return {**self.state, "front": image}

    def send_action(self, action):
        self.require()
        self.written.append(dict(action))
        sent = {key: min(max(value, -self.most_deg), self.most_deg) for key, value in action.items()}
        self.state.update(sent)
        return sent

    def disconnect(self):
        if not self.connected:
            raise RuntimeError("not connected")
        self.connected = False

    def require(self):
        if self.unplugged or not self.connected:
            raise ConnectionError("Failed to sync read 'Present_Position': no status packet")


# LeRobot looks for a configuration's robot in the parent of the module that the configuration says it comes from.
LerobotDoubleConfig.__module__ = f"{__name__}.config"


def profile_values(**changes):
    """A profile of `LerobotDouble` as YAML would give it."""
    values = {
        "name": "double",
        "driver": "lerobot",
        "type": "baton_double",
        "joints": [
            {"name": joint, "key": f"{joint}.pos", "unit": "deg", "sign": -1 if joint == "lift" else 1}
            for joint in JOINTS
        ],
        "gripper": {"key": "gripper.pos", "open": 100.0, "closed": 0.0},
        "home_rad": [0.0] * 5,
        "limits": {
            "lower_rad": [-1.5] * 5,
            "upper_rad": [1.5] * 5,
            "velocity_rad_s": [1.5] * 5,
            "acceleration_rad_s2": [8.0] * 5,
            "workspace_min_m": [-1.0, -1.0, -1.0],
            "workspace_max_m": [1.0, 1.0, 1.0],
        },
        "cameras": {
            "wrist": {"key": "front", "width_px": PX[1], "height_px": PX[0], "focal_px": 50.0, "mount": "gripper"}
        },
    }
    return {name: value for name, value in (values | changes).items() if value is not None}


def profile(**changes) -> Profile:
    """The same, read."""
    return read(Profile, profile_values(**changes), "profile")


def modelled(folder: Path, **changes) -> Profile:
    """A profile with kinematics."""
    file = folder / "arm.xml"
    file.write_text(ARM_XML)
    return profile(model={"file": str(file), "joints": list(JOINTS), "site": "tip"}, **changes)


def lerobot_arm(now, double=None, known=None, **options) -> tuple[RealArm, LerobotDouble]:
    """A `RealArm` over a fresh double; waiting takes no time."""
    double = double or LerobotDouble()
    known = known or profile()
    options.setdefault("sleep", lambda seconds: None)
    return RealArm(known, LerobotLink(known, double), now, **options), double


class _Waypoint:
    def __init__(self, target, hold_target_duration):
        self.target, self.hold_target_duration = np.asarray(target), hold_target_duration


class _Arm:
    """franky.Robot: executes each velocity motion for one control period at once."""

    def __init__(self, world):
        self.world = world

    @property
    def has_errors(self):
        if self.world.unplugged:
            raise ConnectionError("libfranka: UDP receive: Timeout")
        return self.world.errors

    @property
    def current_joint_state(self):
        return SimpleNamespace(position=self.world.q.copy(), velocity=self.world.dq.copy())

    def move(self, motion, asynchronous=False, limit_rate=False, cutoff_frequency=100.0):
        world = self.world
        world.moves.append(motion)
        world.dq = motion[0].target if motion else np.zeros(7)
        world.q = world.q + world.dq * world.dt_s

    def stop(self):
        self.world.stops += 1
        self.world.dq = np.zeros(7)


class _Hand:
    """franky.Gripper: reaches its width at once."""

    def __init__(self, world):
        self.world, self.width = world, 0.08

    def grasp_async(self, width, speed, force, epsilon_inner=0.005, epsilon_outer=0.005):
        self.world.hand_calls.append(("grasp", width, speed, force))
        self.width = width

    def move_async(self, width, speed):
        self.world.hand_calls.append(("move", width, speed))
        self.width = width


class FrankyDouble:
    """The part of the module `franky` that the adapter uses: constructors with franky's names and parameters."""

    dt_s = 1.0 / 15.0
    RealtimeConfig = SimpleNamespace(Enforce="enforce", Ignore="ignore")
    robot_class, gripper_class = _Arm, _Hand

    def __init__(self) -> None:
        self.q = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
        self.dq = np.zeros(7)
        self.moves: list = []
        self.hand_calls: list[tuple] = []
        self.stops = 0
        self.realtime = None
        self.errors = self.unplugged = False

    def Robot(self, fci_hostname, relative_dynamics_factor=1.0, *, realtime_config=None):
        self.realtime = realtime_config
        return _Arm(self)

    def Gripper(self, fci_hostname):
        return _Hand(self)

    def Duration(self, arg0=0):
        return arg0

    def JointVelocityWaypoint(
        self,
        target,
        relative_dynamics_factor=1.0,
        minimum_time=None,
        hold_target_duration=0,
        max_total_duration=None,
    ):
        return _Waypoint(target, hold_target_duration)

    def JointVelocityWaypointMotion(self, waypoints, relative_dynamics_factor=1.0):
        return waypoints

    def JointVelocityStopMotion(self, relative_dynamics_factor=1.0):
        return []


class CameraDouble:
    """A LeRobot camera that shows a new picture at every look."""

    def __init__(self, shape=PX) -> None:
        self.shape, self.looks, self.connected = shape, 0, False
        self.latest_timestamp = None

    def connect(self):
        self.connected = True

    def read_latest(self):
        self.looks += 1
        return np.resize(picture(self.looks), self.shape)

    def disconnect(self):
        self.connected = False


def franka_profile(**changes) -> Profile:
    """The shipped FR3 profile with a small camera."""
    import yaml

    from robots.real.profile import SHIPPED

    values = yaml.safe_load((SHIPPED / "franka_fr3.yaml").read_text())
    values["cameras"]["wrist"] |= {"width_px": PX[1], "height_px": PX[0]}
    return read(Profile, values | changes, "franka")


def franka_arm(now, api=None, known=None, **options) -> tuple[RealArm, FrankyDouble]:
    """A `RealArm` over a double of franky."""
    api, known = api or FrankyDouble(), known or franka_profile()
    options.setdefault("sleep", lambda seconds: None)
    rig = CameraRig({name: CameraDouble() for name in known.cameras})
    return RealArm(known, FrankyLink(known, "172.16.0.2", api, rig), now, **options), api
