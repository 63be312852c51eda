"""How an episode looks and responds: surfaces, light, camera, sensor and control. Plain values; identity by default."""

from __future__ import annotations

from dataclasses import dataclass, field

from robots.errors import SpecError

Triple = tuple[float, float, float]


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


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """Error of the wrist camera's mount and lens. The robot goes on reporting the nominal pose and intrinsics.

    Attributes:
        shift_m: Shift in the camera frame.
        turn_rad: Rotation vector in the camera frame.
        fovy_scale: Factor on the vertical field of view.
    """

    shift_m: Triple = (0.0, 0.0, 0.0)
    turn_rad: Triple = (0.0, 0.0, 0.0)
    fovy_scale: float = 1.0


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


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """What happens to actions and frames on their way.

    Attributes:
        latency_steps: Control periods by which actions arrive late.
        dropped_frames: Share of captures in which the camera delivers its last image again.
        action_noise: Standard deviation of the noise on joint targets, as a share of the largest step.
    """

    latency_steps: int = 0
    dropped_frames: float = 0.0
    action_noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Appearance:
    """Everything about an episode that is not its layout."""

    surfaces: SurfaceSpec = field(default_factory=SurfaceSpec)
    light: LightSpec = field(default_factory=LightSpec)
    camera: CameraSpec = field(default_factory=CameraSpec)
    sensor: SensorSpec = field(default_factory=SensorSpec)
    control: ControlSpec = field(default_factory=ControlSpec)
