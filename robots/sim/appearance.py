"""How an episode looks and responds: surfaces, light, camera, sensor and control. Plain values; identity by default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from robots.errors import SpecError
from robots.sim.textures import FLOORS, WALLS, WOODS

Triple = tuple[float, float, float]
LONGEST_LATENCY = 30  # control periods


@dataclass(frozen=True, slots=True)
class LightSpec:
    """Light without shadows. The three intensities are summed and clip at one, so their sum must stay below it.

    Attributes:
        ambient: RGB.
        headlight: RGB of the light at the camera.
        lamp: RGB of the directional lamp.
        direction: Direction that the lamp shines in.
    """

    ambient: Triple = (0.43, 0.43, 0.43)
    headlight: Triple = (0.25, 0.25, 0.25)
    lamp: Triple = (0.18, 0.18, 0.18)
    direction: Triple = (0.6, -0.4, -1.0)

    def __post_init__(self) -> None:
        if max(sum(channel) for channel in zip(self.ambient, self.headlight, self.lamp, strict=True)) >= 1.0:
            raise SpecError("light: ambient, headlight and lamp must sum to less than 1 in every channel.")


@dataclass(frozen=True, slots=True)
class SurfaceSpec:
    """Indices into the texture banks."""

    wood: int = 0
    wall: int = 0
    floor: int = 0

    def __post_init__(self) -> None:
        for name, bank in {"wood": WOODS, "wall": WALLS, "floor": FLOORS}.items():
            _check_bounds(f"surfaces: {name}", [getattr(self, name)], 0, len(bank) - 1)


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """Error of the wrist camera's mount and lens. The robot goes on reporting the nominal pose and intrinsics.

    Attributes:
        shift_m: Shift in the camera frame: x right, y down, z forward.
        turn_rad: Rotation vector in the same frame.
        fovy_change_rad: What is added to the vertical field of view.
    """

    shift_m: Triple = (0.0, 0.0, 0.0)
    turn_rad: Triple = (0.0, 0.0, 0.0)
    fovy_change_rad: float = 0.0

    def __post_init__(self) -> None:
        _check_bounds("camera: shift_m", self.shift_m, -0.1, 0.1)
        _check_bounds("camera: turn_rad", self.turn_rad, -0.5, 0.5)
        _check_bounds("camera: fovy_change_rad", [self.fovy_change_rad], -0.3, 0.3)


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """What the camera's electronics do to an image.

    Attributes:
        exposure: Factor on the brightness.
        noise: Standard deviation of the read-out noise [8-bit levels].
        blur_px: Standard deviation of the blur, in pixels of an image 84 px high.
        jpeg_quality: Quality of a JPEG round trip, 1 to 100; 0 for none.
    """

    exposure: float = 1.0
    noise: float = 0.0
    blur_px: float = 0.0
    jpeg_quality: int = 0

    def __post_init__(self) -> None:
        _check_bounds("sensor: exposure", [self.exposure], 0.1, 10.0)
        _check_bounds("sensor: noise", [self.noise], 0.0, 128.0)
        _check_bounds("sensor: blur_px", [self.blur_px], 0.0, 10.0)
        _check_bounds("sensor: jpeg_quality", [self.jpeg_quality], 0, 100)


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """What happens to actions and frames on their way.

    Attributes:
        latency_steps: Control periods by which actions arrive late.
        dropped_frames: Share of captures in which the camera delivers its last image again.
        action_noise: Standard deviation of the noise on joint targets, as a share of the largest step
            (a joint's speed limit times the control period).
    """

    latency_steps: int = 0
    dropped_frames: float = 0.0
    action_noise: float = 0.0

    def __post_init__(self) -> None:
        _check_bounds("control: latency_steps", [self.latency_steps], 0, LONGEST_LATENCY)
        _check_bounds("control: dropped_frames", [self.dropped_frames], 0.0, 0.9)
        _check_bounds("control: action_noise", [self.action_noise], 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Appearance:
    """Everything about an episode that is not its layout."""

    surfaces: SurfaceSpec = field(default_factory=SurfaceSpec)
    light: LightSpec = field(default_factory=LightSpec)
    camera: CameraSpec = field(default_factory=CameraSpec)
    sensor: SensorSpec = field(default_factory=SensorSpec)
    control: ControlSpec = field(default_factory=ControlSpec)


def _check_bounds(name: str, values: Sequence[float], least: float, most: float) -> None:
    if not all(least <= value <= most for value in values):
        raise SpecError(f"{name} must lie in [{least:g}, {most:g}], got {', '.join(f'{value:g}' for value in values)}.")
