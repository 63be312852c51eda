"""The groups of a randomisation: small sets of ranges that are switched on and off together.

A range is `(low, high)`, drawn uniformly; an integer range includes both ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from robots.errors import UsageError
from robots.sim.appearance import LONGEST_LATENCY
from robots.sim.textures import FLOORS, WALLS, WOODS

Range = tuple[float, float]
IntRange = tuple[int, int]

LIGHT_CEILING = 1.0  # light is summed without shadows and clips here, which would hide tints


@dataclass(frozen=True, slots=True)
class Group:
    """Ranges that are switched on and off together.

    Raises:
        UsageError: A range is upside down, not finite, or reaches outside its bounds.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {}  # what a range may reach, by its name

    enabled: bool = True

    def __post_init__(self) -> None:
        for name, bounds in self.BOUNDS.items():
            _check_range(name, getattr(self, name), *bounds)


@dataclass(frozen=True, slots=True)
class Textures(Group):
    """Which surfaces of the banks may appear.

    Attributes:
        woods: Indices of furniture woods.
        walls: Indices of walls.
        floors: Indices of floors.
    """

    woods: tuple[int, ...] = (0,)
    walls: tuple[int, ...] = (0,)
    floors: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        for name, bank in {"woods": WOODS, "walls": WALLS, "floors": FLOORS}.items():
            chosen = getattr(self, name)
            if not chosen or not all(0 <= index < len(bank) for index in chosen):
                raise UsageError(f"{name} needs indices from 0 to {len(bank) - 1}, got {list(chosen)}.")


@dataclass(frozen=True, slots=True)
class Tint(Group):
    """Objects' colours around the one that the layout gave them.

    Attributes:
        brightness: Factor on all channels.
        shift: Added to each channel separately, in shares of full scale.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"brightness": (0.1, 2.0), "shift": (-0.5, 0.5)}

    brightness: Range = (1.0, 1.0)
    shift: Range = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Lights(Group):
    """Intensities in shares of full scale. The largest ones must sum to less than 1: beyond it, light clips.

    Attributes:
        ambient: Everywhere.
        headlight: At the camera.
        lamp: Directional.
        warmth: 0 for white; 1 takes 40 % of the green and all the blue away.
        direction_x: Of the lamp's rays, forward; down is 1.
        direction_y: Of the lamp's rays, to the left.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {
        "ambient": (0.0, 1.0),
        "headlight": (0.0, 1.0),
        "lamp": (0.0, 1.0),
        "warmth": (0.0, 1.0),
        "direction_x": (-5.0, 5.0),
        "direction_y": (-5.0, 5.0),
    }

    ambient: Range = (0.43, 0.43)
    headlight: Range = (0.25, 0.25)
    lamp: Range = (0.18, 0.18)
    warmth: Range = (0.0, 0.0)
    direction_x: Range = (0.6, 0.6)
    direction_y: Range = (-0.4, -0.4)

    def __post_init__(self) -> None:
        # Zero-argument super() fails in a dataclass with slots: they are rebuilt as another class.
        Group.__post_init__(self)
        brightest = self.ambient[1] + self.headlight[1] + self.lamp[1]
        if brightest >= LIGHT_CEILING:
            raise UsageError(f"ambient, headlight and lamp may reach {brightest:g} together; keep it below 1.")


@dataclass(frozen=True, slots=True)
class CameraPose(Group):
    """Error of the wrist camera's mount, in a direction and about an axis drawn at random.

    Attributes:
        shift_m: Distance [m].
        turn_deg: Angle [degrees].
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"shift_m": (0.0, 0.1), "turn_deg": (0.0, 25.0)}

    shift_m: Range = (0.0, 0.0)
    turn_deg: Range = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class FieldOfView(Group):
    """Error of the wrist camera's lens.

    Attributes:
        change_deg: Added to the vertical field of view [degrees].
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"change_deg": (-15.0, 15.0)}

    change_deg: Range = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Exposure(Group):
    """Brightness of the images.

    Attributes:
        factor: Factor on every pixel; what exceeds full scale is white.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"factor": (0.1, 10.0)}

    factor: Range = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Noise(Group):
    """Read-out noise.

    Attributes:
        levels: Standard deviation [8-bit levels].
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"levels": (0.0, 128.0)}

    levels: Range = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Blur(Group):
    """Gaussian blur.

    Attributes:
        sigma_px: Standard deviation, in pixels of an image 84 px high.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"sigma_px": (0.0, 10.0)}

    sigma_px: Range = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Jpeg(Group):
    """JPEG compression on the way from the camera.

    Attributes:
        share: Share of episodes with it.
        quality: Quality, 1 to 100.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"quality": (1, 100)}

    share: float = 1.0
    quality: IntRange = (95, 95)

    def __post_init__(self) -> None:
        Group.__post_init__(self)
        if not 0.0 <= self.share <= 1.0:
            raise UsageError(f"share must lie in [0, 1], got {self.share:g}.")


@dataclass(frozen=True, slots=True)
class ObjectPoses(Group):
    """Objects off the layout's places; shortened where something is in the way.

    Attributes:
        shift_m: Distance [m], in any direction on the board.
        turn_deg: Added to the yaw [degrees].
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"shift_m": (0.0, 0.1), "turn_deg": (-180.0, 180.0)}

    shift_m: Range = (0.0, 0.0)
    turn_deg: Range = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Scale(Group):
    """Sizes of the objects; a neighbour, a wall or a low ceiling may keep one smaller.

    Attributes:
        factor: Uniform scale.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"factor": (0.5, 2.0)}

    factor: Range = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class ClutterCount(Group):
    """How much stands around besides the target. The target's own compartment keeps what the layout put there.

    Attributes:
        count: Objects besides the target, reached as far as there are objects to take away or room to add.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"count": (0, 100)}

    count: IntRange = (0, 21)


@dataclass(frozen=True, slots=True)
class Latency(Group):
    """Actions arrive late.

    Attributes:
        steps: Control periods.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"steps": (0, LONGEST_LATENCY)}

    steps: IntRange = (0, 0)


@dataclass(frozen=True, slots=True)
class DroppedFrames(Group):
    """The camera delivers its last image again.

    Attributes:
        share: Share of captures.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"share": (0.0, 0.9)}

    share: Range = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class ActionNoise(Group):
    """Joint targets are not met exactly.

    Attributes:
        share: Standard deviation as a share of the largest step.
    """

    BOUNDS: ClassVar[dict[str, Range]] = {"share": (0.0, 1.0)}

    share: Range = (0.0, 0.0)


def _check_range(name: str, given: tuple[float, float], least: float, most: float) -> None:
    low, high = given
    if not all(math.isfinite(value) for value in given):
        raise UsageError(f"{name} must be finite, got [{low}, {high}].")
    if low > high:
        raise UsageError(f"{name} needs its lower end first, got [{low:g}, {high:g}].")
    if low < least or high > most:
        raise UsageError(f"{name} must stay in [{least:g}, {most:g}], got [{low:g}, {high:g}].")
