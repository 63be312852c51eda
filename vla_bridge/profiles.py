"""Profiles of generalists: the YAML files that say what a policy's numbers mean, so that none is reinterpreted.

A checkpoint states how many numbers it takes and gives, but not their meaning. A profile declares it once, and is
checked against the checkpoint when the policy loads and against the robot before anything moves.
`docs/generalist-profiles.md` explains every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from robots.errors import UsageError
from robots.reading import read
from robots.types import ActionSpace
from robots.yaml_files import find_shipped, load_yaml
from vla_bridge.conventions import ActionProfile, StateProfile

SHIPPED = Path(__file__).resolve().parents[1] / "configs" / "generalists"


class Resize(StrEnum):
    """Who brings an image to the size that the checkpoint declares."""

    CLIENT = "client"  # the robot's process, without distortion
    POLICY = "policy"  # the policy pads and resizes itself: it gets the camera's own image


@dataclass(frozen=True, slots=True)
class CameraUse:
    """Which of the robot's cameras shows what the policy wants to see.

    Attributes:
        camera: The robot's name of it.
        resize: Who brings its image to the checkpoint's size.
    """

    camera: str
    resize: Resize = Resize.CLIENT


@dataclass(frozen=True, slots=True)
class GeneralistProfile:
    """Everything that a policy folder does not say about itself.

    Attributes:
        name: For logs and messages.
        control_hz: Rate at which the actions are meant to be executed [Hz].
        action: What an action's values mean.
        state: What `observation.state` holds; None passes the robot's own on unchanged.
        cameras: The checkpoint's camera names (without `observation.images.`); null for one that the policy
            does without.
        joints: Number of joints of the arm it was trained on; not checked when left out.
        execute: Number of actions after which the next chunk is due; twice as many are sent, so that the robot has
            actions while the next chunk is computed. Without it the whole chunk is sent.
    """

    name: str
    control_hz: float
    action: ActionProfile
    state: StateProfile | None = None
    cameras: Mapping[str, CameraUse | None] = field(default_factory=dict)
    joints: int | None = None
    execute: int | None = None

    def __post_init__(self) -> None:
        if self.control_hz <= 0.0:
            raise UsageError(f"control_hz must be positive, not {self.control_hz}.")
        if min(self.joints or 1, self.execute or 1) < 1 or 0 in (self.joints, self.execute):
            raise UsageError("joints and execute must be at least 1.")
        used = [use.camera for use in self.cameras.values() if use is not None]
        if len(set(used)) != len(used):
            raise UsageError("cameras: one of the robot's cameras is used twice.")
        if self.joints is not None and self.action.space is not ActionSpace.CARTESIAN_VELOCITY:
            self.action.check_width(self.joints)


def load_profile(name: str) -> GeneralistProfile:
    """Read a profile: a path, or the bare name of a shipped one, for instance `baton_sim`.

    Raises:
        UsageError: The file is missing or no YAML; the message names the shipped ones and the nearest.
        SpecError: A field is unknown, missing or wrong; the message names it.
    """
    path = find_shipped(Path(name), SHIPPED, "generalist profile")
    return read(GeneralistProfile, load_yaml(path, "generalist profile"), path.name)
