"""Fixation guards: is the target where the generalist wants it, near enough, and the arm at rest?"""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError
from robots.types import Detection, DetectionFrame


@dataclass(frozen=True, slots=True)
class FixationConfig:
    """What counts as fixated. Image coordinates are shares of the image's width (u) and height (v).

    Attributes:
        center_uv: Where the target should appear; above the middle on a wrist camera that looks past the gripper.
        window_uv: Largest deviation of the box's centre from there.
        area_min: Smallest share of the image that the box covers: near enough.
        area_max: Largest share.
        border_px: The box must keep this distance from the image's border [px].
        still_s: The arm must have been at rest this long: three periods at 15 Hz [s].
        speed_rad_s: Fastest joint that counts as at rest [rad/s].
        frames: Frames in a row that must satisfy all of the above.
    """

    center_uv: tuple[float, float] = (0.5, 0.5)
    window_uv: tuple[float, float] = (0.2, 0.2)
    area_min: float = 0.004
    area_max: float = 0.5
    border_px: float = 1.0
    still_s: float = 0.13
    speed_rad_s: float = 0.05
    frames: int = 2

    def __post_init__(self) -> None:
        if not 0.0 <= self.area_min < self.area_max <= 1.0:
            raise UsageError("trigger.fixation: area_min must be below area_max, both within 0 and 1.")
        if self.frames < 1 or self.speed_rad_s <= 0.0:
            raise UsageError("trigger.fixation: frames and speed_rad_s must be positive.")


def missing_guard(target: Detection, frame: DetectionFrame, still_s: float, config: FixationConfig) -> str:
    """Return the first guard that does not hold, or an empty string when the target is fixated.

    Args:
        target: The tracked detection in `frame`.
        frame: The detector result it comes from.
        still_s: How long the arm has been at rest [s].
        config: The guards.
    """
    u, v = target.center_px[0] / frame.width_px, target.center_px[1] / frame.height_px
    area = target.area_px / (frame.width_px * frame.height_px)
    left, top, right, bottom = target.box_xyxy_px
    margin = min(left, top, frame.width_px - right, frame.height_px - bottom)
    guards = {
        f"off centre at ({u:.2f}, {v:.2f})": abs(u - config.center_uv[0]) <= config.window_uv[0]
        and abs(v - config.center_uv[1]) <= config.window_uv[1],
        f"covers {area:.4f} of the image": config.area_min <= area <= config.area_max,
        f"{margin:.0f} px from the border": margin >= config.border_px,
        f"at rest for only {still_s:.2f} s": still_s >= config.still_s,
    }
    return next((name for name, holds in guards.items() if not holds), "")
