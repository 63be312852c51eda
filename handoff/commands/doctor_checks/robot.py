"""Is the robot known, described, limited and calibrated, and does it fit its profile? Answered before connecting."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from handoff.commands.doctor_checks.finding import Finding
from handoff.commands.doctor_checks.policy_features import Features


@dataclass(frozen=True, slots=True)
class ProfileFacts:
    """What the doctor asks of a robot's profile.

    Attributes:
        name: The profile.
        type: The robot type it is made for.
        states: Keys of the driver's state features: `shoulder_pan.pos`, ..., `gripper.pos`.
        cameras: Shape (h, w, 3) by key of the driver's images.
        limited: Whether it holds safety limits.
        control_hz: Rate of the control loop [Hz].
        options: Options of the driver, as `--robot.name=value`.
    """

    name: str
    type: str
    states: tuple[str, ...]
    cameras: Mapping[str, tuple[int, ...]]
    limited: bool
    control_hz: float = 15.0
    options: tuple[str, ...] = ()


def check_type(given: str, known: Iterable[str]) -> Finding:
    """The robot type is one that LeRobot, or a plug-in that was named, has registered."""
    names = sorted(known)
    if given in names:
        return Finding("robot type", given)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    remedy = (
        f"{hint}For a plug-in, name its package: --robot.discover_packages_path=PACKAGE. Known: {', '.join(names)}."
    )
    return Finding("robot type", f"{given!r} is not known", remedy)


def check_limits(profile: ProfileFacts) -> Finding:
    """The profile holds safety limits: without them a real robot is refused."""
    if profile.limited:
        return Finding("safety limits", f"in profile {profile.name}")
    remedy = (
        "Add `limits:` to the profile, with lower_rad, upper_rad, velocity_rad_s, acceleration_rad_s2, workspace_min_m "
        "and workspace_max_m; without them the robot is not driven."
    )
    return Finding("safety limits", f"profile {profile.name} has none", remedy)


def check_profile(profile: ProfileFacts, robot_type: str) -> Finding:
    """The profile is made for this type of robot."""
    if profile.type == robot_type:
        return Finding("robot profile", f"{profile.name} for {robot_type}")
    remedy = f"Give the profile of a {robot_type} with --robot.profile, or --robot.type={profile.type}."
    return Finding("robot profile", f"{profile.name} is made for {profile.type}, not for {robot_type}", remedy)


def check_profile_features(profile: ProfileFacts, robot: Features, states: Iterable[str]) -> Finding:
    """The robot has the joints and cameras that its profile names, with pictures of that size."""
    have = list(states)
    wrong = [f"no {name}" for name in profile.states if name not in have]
    for name, shape in profile.cameras.items():
        found = robot.cameras.get(name)
        if found is None:
            wrong.append(f"no camera {name}")
        elif tuple(found) != tuple(shape):
            wrong.append(f"camera {name} of {found[1]}x{found[0]} pixels instead of {shape[1]}x{shape[0]}")
    if not wrong:
        return Finding("profile fits robot", f"{len(profile.states)} states, {len(profile.cameras)} cameras")
    offered = ", ".join([*have, *(f"camera {name}" for name in robot.cameras)]) or "nothing"
    remedy = f"Change the profile's keys and sizes to what the robot has ({offered}), or the robot's --robot.cameras."
    return Finding("profile fits robot", f"the robot has {', '.join(wrong)}", remedy)


def check_calibration(file: Path, *, calibrated: bool, robot_type: str, robot_id: str | None) -> Finding:
    """There is a calibration file, or the robot needs none."""
    if file.is_file():
        return Finding("calibration", str(file))
    if calibrated:
        return Finding("calibration", "the robot needs none")
    remedy = (
        f"lerobot-calibrate --robot.type={robot_type} --robot.id={robot_id or 'NAME'} and the robot's other options"
    )
    return Finding("calibration", f"{file} does not exist", remedy)
