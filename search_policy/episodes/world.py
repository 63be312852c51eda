"""What a rollout asks of its environment: a robot that can be reset to a layout, and the truth about the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robots.region import SearchRegion
from robots.types import Action, CameraIntrinsics, Detection, DetectionFrame, Float, Observation, Task

CAMERA = "wrist"
Detect = Callable[[Observation], DetectionFrame]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What only training and judging may know. Never passed to a chooser, a skill or a detector that is deployed.

    Attributes:
        position_m: Centre of the target in the world frame, (3,), or None when it is absent.
        box_xyxy_px: Box around the target's visible pixels in the wrist image, or None when none is.
        visible_px: Number of those pixels.
    """

    position_m: Float | None
    box_xyxy_px: Box | None
    visible_px: int


class SearchWorld(Protocol):
    """A robot in front of furniture, in simulation."""

    @property
    def region(self) -> SearchRegion:
        """What there is to search."""
        ...

    @property
    def closed(self) -> frozenset[str]:
        """Names of the doors and drawers that are shut."""
        ...

    @property
    def intrinsics(self) -> CameraIntrinsics:
        """Of the wrist camera."""
        ...

    @property
    def collisions(self) -> int:
        """Control periods with a forbidden contact since the last reset."""
        ...

    def reset(self, task: str, seed: int) -> Task:
        """Set up the layout of that seed."""
        ...

    def observe(self) -> Observation:
        """Return the newest observation."""
        ...

    def act(self, action: Action | None) -> None:
        """Execute one control period; None holds the pose."""
        ...

    def truth(self) -> Truth:
        """Return the truth about the target now."""
        ...

    def visibility(self) -> float:
        """Return the fraction of the target's pixels that the wrist camera sees, 0 out of view."""
        ...


DetectorFactory = Callable[[SearchWorld, Task, np.random.Generator], Detect]


@dataclass(frozen=True, slots=True)
class SegmentationDetector:
    """Makes detectors for training that read the true mask and err on purpose: fast, but for simulation only.

    Attributes:
        miss_rate: Share of visible targets that are missed.
        false_rate: Share of frames with a false detection, at a random place.
        least_share: Smallest share of the image that can be detected.
    """

    miss_rate: float = 0.05
    false_rate: float = 0.05
    least_share: float = 0.002

    def __call__(self, world: SearchWorld, task: Task, rng: np.random.Generator) -> Detect:
        """Return a detector for one episode."""
        camera = world.intrinsics
        width, height = camera.width_px, camera.height_px

        def detect(observation: Observation) -> DetectionFrame:
            truth = world.truth()
            found = []
            large_enough = truth.visible_px >= self.least_share * height * width
            if truth.box_xyxy_px is not None and large_enough and rng.random() >= self.miss_rate:
                found.append(Detection(truth.box_xyxy_px, float(rng.uniform(0.75, 1.0)), task.target))
            if rng.random() < self.false_rate:
                found.append(_false_detection(width, height, task.target, rng))
            found.sort(key=lambda detection: -detection.score)
            capture = (observation.capture_id, observation.captured_at_s)
            return DetectionFrame(*capture, CAMERA, width, height, tuple(found))

        return detect


def _false_detection(width: int, height: int, label: str, rng: np.random.Generator) -> Detection:
    size = 0.12 * height
    left, top = rng.uniform(0.0, width - size), rng.uniform(0.0, height - size)
    return Detection((left, top, left + size, top + size), float(rng.uniform(0.5, 0.85)), label)


def is_target(detection: Detection | None, truth: Truth) -> bool:
    """Return whether the detection's centre lies on the box around the visible target, a tenth of slack included."""
    if detection is None or truth.box_xyxy_px is None:
        return False
    left, top, right, bottom = truth.box_xyxy_px
    slack = 0.1 * max(right - left, bottom - top) + 1.0
    x, y = detection.center_px
    return left - slack <= x <= right + slack and top - slack <= y <= bottom + slack
