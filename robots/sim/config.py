"""Settings and limits of the simulated robot."""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError
from robots.sim import arm
from robots.sim.furniture import find_furniture

STEP_M, STEP_RAD, LIMITS = arm.PANDA.step_m, arm.PANDA.step_rad, arm.PANDA.limits


@dataclass(frozen=True, slots=True)
class SimConfig:
    """Settings of the simulated robot.

    Attributes:
        control_hz: Control rate.
        timestep_s: Longest physics step; the nearest one that divides the control period is used.
        wrist_px: Width and height of the wrist image.
        scene: Name of the furniture, see `robots.sim.furniture`.
        third_person_px: Width and height of the third-person image, or None for no such camera.
        draw_on_demand: Draw an image when it is first looked at; one that nobody looked at is gone with the next
            control period. For loops that look at few of their images.
    """

    control_hz: float = 15.0
    timestep_s: float = 0.004
    wrist_px: tuple[int, int] = (84, 84)
    third_person_px: tuple[int, int] | None = None
    scene: str = "bookcase"
    draw_on_demand: bool = False

    def __post_init__(self) -> None:
        if self.control_hz <= 0 or not 0 < self.timestep_s <= 1 / self.control_hz:
            raise UsageError("sim: control_hz must be positive and timestep_s lie in (0, 1/control_hz].")
        find_furniture(self.scene)
        for width, height in filter(None, (self.wrist_px, self.third_person_px)):
            if not (8 <= width <= 1280 and 8 <= height <= 960):
                raise UsageError(f"sim: an image must measure 8x8 to 1280x960 pixels, got {width}x{height}.")
