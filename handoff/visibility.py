"""Whether the target should be visible during a grasp but is not."""

from __future__ import annotations

from dataclasses import dataclass

from handoff.interfaces import TriggerDecision
from robots.types import Detection, DetectionFrame


@dataclass(frozen=True, slots=True)
class VisibilityConfig:
    """When the gripper plausibly hides the target from its own camera.

    Attributes:
        near_area: The target was last seen covering at least this share of the image: the fingers reach it.
        closing_above: The gripper is closed further than this.
        max_frame_age_s: An older detector result cannot tell whether the target is missing [s].
    """

    near_area: float = 0.06
    closing_above: float = 0.2
    max_frame_age_s: float = 0.5


class TargetWatch:
    """Remembers how the target looked last. Call `update` once per control period."""

    def __init__(self, config: VisibilityConfig) -> None:
        self._config = config
        self._last_area = 0.0

    def update(self, decision: TriggerDecision, frame: DetectionFrame | None, gripper: float) -> bool:
        """Return whether the target is missing without a plausible reason.

        Args:
            decision: The trigger's decision.
            frame: The detector result it rests on.
            gripper: Measured gripper, 0.0 open to 1.0 closed.
        """
        if frame is None or decision.frame_age_s > self._config.max_frame_age_s:
            return False
        if decision.visible:
            if decision.target is not None:
                self._last_area = _area_share(decision.target, frame)
            return False
        near = self._last_area >= self._config.near_area
        return not near and gripper <= self._config.closing_above


def _area_share(target: Detection, frame: DetectionFrame) -> float:
    return target.area_px / (frame.width_px * frame.height_px)
