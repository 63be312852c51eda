"""What the numbers of a policy's actions and states mean: groups, units, frames and references. Checked when read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from robots.errors import UsageError
from robots.types import ActionSpace, Float

TWIST_WIDTH = 6


class Unit(StrEnum):
    """What a value is measured in, before Baton turns it into metres and radians (per second)."""

    RAD = "rad"
    DEG = "deg"
    M_RAD = "m_rad"  # a twist: metres, then radians
    SHARE = "share"  # of a range: `scale` says what 1.0 is


class Frame(StrEnum):
    """The frame in which a twist is given."""

    WORLD = "world"
    GRIPPER = "gripper"  # that of the gripper at the time of the action


class Reference(StrEnum):
    """What a value is relative to."""

    ABSOLUTE = "absolute"
    OBSERVATION = "observation"  # what the observation shows: the posture, or the gripper's opening
    STEP = "step"  # the previous action: a displacement per control step


class Part(StrEnum):
    """A group of values in an action."""

    MOTION = "motion"  # the joints, or the six values of a twist
    GRIPPER = "gripper"
    REFUSE = "refuse"  # the policy says that the task cannot be done from here


class StatePart(StrEnum):
    """A group of values in `observation.state`."""

    JOINT_POSITIONS = "joint_positions"
    JOINT_VELOCITIES = "joint_velocities"
    GRIPPER = "gripper"
    GRIPPER_POSITION = "gripper_position"  # (3,) [m]
    GRIPPER_ROTATION_VECTOR = "gripper_rotation_vector"  # (3,) axis times angle [rad]
    GRIPPER_QUATERNION = "gripper_quaternion"  # (4,) x, y, z, w


@dataclass(frozen=True, slots=True)
class Units:
    """physical = scale * value + offset, in metres and radians (per second for speeds).

    Attributes:
        unit: What the values are measured in.
        scale: With `share`: what 1.0 is, one value for all or one each.
        offset: What 0.0 is, one value for all or one each; zero when empty.
    """

    unit: Unit = Unit.RAD
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if (self.unit is Unit.SHARE) != bool(self.scale):
            raise UsageError("scale belongs to unit: share, and only to it: it says what 1.0 is.")
        if 0.0 in self.scale:
            raise UsageError("scale must not hold zeros.")

    def physical(self, values: Float) -> Float:
        """Return `values`, (..., m), in metres and radians."""
        return values * self._factor() + self._offset()

    def policy(self, physical: Float) -> Float:
        """Return the policy's values for `physical`, (..., m)."""
        return (physical - self._offset()) / self._factor()

    def speed(self, physical: Float) -> Float:
        """Return the policy's values for speeds, (..., m), which have no offset."""
        return physical / self._factor()

    def check_width(self, width: int, where: str) -> None:
        """Check that there is one scale and one offset, or `width` of them.

        Raises:
            UsageError: There are not.
        """
        for name, values in (("scale", self.scale), ("offset", self.offset)):
            _check_count(f"{where}.{name}", values, width)

    def _factor(self) -> Float:
        if self.unit is Unit.DEG:
            return np.array(math.pi / 180.0)
        return np.array(self.scale or (1.0,))

    def _offset(self) -> Float:
        return np.array(self.offset or (0.0,))


@dataclass(frozen=True, slots=True)
class GripperAction:
    """How an action moves the gripper.

    Attributes:
        open: The policy's value for open.
        closed: The policy's value for closed.
        reference: `absolute`, or a change of the value since the observation or since the previous action.
        threshold: Where given, the target is wholly closed above this share of the way, and wholly open below.
    """

    open: float = 0.0
    closed: float = 1.0
    reference: Reference = Reference.ABSOLUTE
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.open == self.closed:
            raise UsageError("open and closed must differ.")


@dataclass(frozen=True, slots=True)
class ActionProfile:
    """What an action's values mean.

    Attributes:
        space: What the robot is commanded in.
        layout: The groups of values, in order; `motion` is required.
        frame: Of a twist; required for one, and meaningless otherwise.
        reference: What the motion is relative to.
        units: Of the motion.
        low: Smallest allowed physical value, one for all or one each; not checked when empty.
        high: Largest allowed physical value, likewise.
        clip: Bring values outside low and high to the bound, instead of refusing the chunk.
        gripper: How the gripper moves; used when the layout holds it.
        refuse_above: A chunk whose mean `refuse` is above this is a refusal.
    """

    space: ActionSpace
    layout: tuple[Part, ...] = (Part.MOTION, Part.GRIPPER)
    frame: Frame | None = None
    reference: Reference = Reference.ABSOLUTE
    units: Units = field(default_factory=Units)
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    clip: bool = False
    gripper: GripperAction = field(default_factory=GripperAction)
    refuse_above: float = 0.5

    def __post_init__(self) -> None:
        if Part.MOTION not in self.layout or len(set(self.layout)) != len(self.layout):
            raise UsageError("layout needs motion, and every group at most once.")
        twist = self.space is ActionSpace.CARTESIAN_VELOCITY
        if twist != (self.frame is not None):
            raise UsageError(
                "frame (world or gripper) belongs to space: cartesian_velocity, and only to it; "
                f"the space is {self.space}."
            )
        valid = (Unit.M_RAD, Unit.SHARE) if twist else (Unit.RAD, Unit.DEG, Unit.SHARE)
        if self.units.unit not in valid:
            raise UsageError(f"unit {self.units.unit} does not fit space {self.space}; valid: {', '.join(valid)}.")
        if self.reference is Reference.OBSERVATION and self.space is not ActionSpace.JOINT_POSITION:
            raise UsageError(f"reference: observation belongs to joint_position, not to {self.space}.")
        if self.clip and not (self.low and self.high):
            raise UsageError("clip needs low and high.")
        if self.space is not ActionSpace.JOINT_POSITION and any(self.units.offset):
            raise UsageError(f"offset belongs to joint_position, not to {self.space}.")
        if twist:
            self.check_width(TWIST_WIDTH)

    def check_width(self, motion: int) -> None:
        """Check that scale, offset, low and high have one value or as many as the motion.

        Raises:
            UsageError: One has not.
        """
        self.units.check_width(motion, "action.units")
        _check_count("action.low", self.low, motion)
        _check_count("action.high", self.high, motion)

    @property
    def others(self) -> int:
        """How many values are no motion."""
        return len(self.layout) - 1

    def slices(self, motion: int) -> dict[Part, slice]:
        """Return where each group lies in an action whose motion has `motion` values."""
        slices, start = {}, 0
        for part in self.layout:
            stop = start + (motion if part is Part.MOTION else 1)
            slices[part] = slice(start, stop)
            start = stop
        return slices


@dataclass(frozen=True, slots=True)
class StateProfile:
    """What `observation.state` holds.

    Attributes:
        layout: The groups of values, in order.
        units: Of the joints.
        gripper_open: The policy's values for an open gripper; several where a policy sees several fingers.
        gripper_closed: The policy's values for a closed gripper.
    """

    layout: tuple[StatePart, ...]
    units: Units = field(default_factory=Units)
    gripper_open: tuple[float, ...] = (0.0,)
    gripper_closed: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not self.layout or len(set(self.layout)) != len(self.layout):
            raise UsageError("layout needs at least one group, and every group at most once.")
        if self.units.unit is Unit.M_RAD:
            raise UsageError("unit m_rad does not fit joints; valid: rad, deg, share.")
        if not self.gripper_open or len(self.gripper_open) != len(self.gripper_closed):
            raise UsageError("gripper_open and gripper_closed must have the same number of values.")

    @property
    def as_sent(self) -> bool:
        """Whether this is the state as the robot's process sends it: joints [rad], then the gripper, 0 to 1."""
        return self == StateProfile((StatePart.JOINT_POSITIONS, StatePart.GRIPPER))

    def joints(self, size: int) -> int | None:
        """Return how many joints a state of `size` values is about, or None when it holds no joints.

        Raises:
            UsageError: No number of joints gives this size.
        """
        widths = {
            StatePart.GRIPPER: len(self.gripper_open),
            StatePart.GRIPPER_POSITION: 3,
            StatePart.GRIPPER_ROTATION_VECTOR: 3,
            StatePart.GRIPPER_QUATERNION: 4,
        }
        fixed = sum(widths.get(part, 0) for part in self.layout)
        groups = sum(part not in widths for part in self.layout)
        if groups == 0 and fixed == size:
            return None
        if groups == 0 or size <= fixed or (size - fixed) % groups:
            raise UsageError(f"state.layout ({', '.join(self.layout)}) cannot have {size} values.")
        return (size - fixed) // groups


def _check_count(where: str, values: Sequence[float], width: int) -> None:
    if len(values) not in (0, 1, width):
        raise UsageError(f"{where}: {len(values)} values for {width}.")
