"""What the looks so far say about where the target is not: detection can fail, and clutter hides things from one side.

The chance that a target at a point was missed by all looks is the product over the sides it was looked at from,
`prod_d (1 - Pd * visible * quality_d)`: looks from the same side are not independent, looks from another side are
(Stone, Theory of Optimal Search, 1975, ch. 2, with the detection function saturating per side).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.errors import UsageError
from robots.types import Float

SIDES = 3  # straight ahead, a look to the left, a look to the right


@dataclass(frozen=True, slots=True)
class EvidenceConfig:
    """What one look is worth."""

    # Chance that a detector reports a target that is wholly in sight
    detection: float = 0.95
    # Chance that a thing near the opening, and one deep inside, is in sight from one side
    visible_front: float = 0.85
    visible_back: float = 0.65
    # Frames from one side that make a full look
    frames: int = 3

    def __post_init__(self) -> None:
        if not (0.0 < self.detection < 1.0 and 0.0 < self.visible_back <= self.visible_front <= 1.0):
            raise UsageError("evidence: detection must lie in (0, 1), and 0 < visible_back <= visible_front <= 1.")
        if self.frames < 1:
            raise UsageError("evidence: frames must be at least 1.")


class Evidence:
    """Best look at every point from every side.

    Args:
        visible: Chance that a thing at each point is in sight from one side, (n,).
        side_tangent: Sideways slope of a look beyond which it counts as one from the side.
        config: Worth of a look.
    """

    def __init__(self, visible: Float, side_tangent: float, config: EvidenceConfig) -> None:
        self._ceiling = config.detection * visible
        self._tangent = side_tangent
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget all looks."""
        self._frames = np.zeros((SIDES, len(self._ceiling)))
        self._quality = np.zeros((SIDES, len(self._ceiling)))

    def add(self, seen: NDArray[np.bool_], quality: Float, slope: Float) -> None:
        """Take in one frame: which points it shows, how well, and the sideways slope of each look, (n,) each."""
        points = np.flatnonzero(seen)
        side = self.side_of(slope)[points]
        self._frames[side, points] = np.minimum(self._frames[side, points] + 1.0, self._config.frames)
        self._quality[side, points] = np.maximum(self._quality[side, points], quality[points])

    def side_of(self, slope: Float) -> NDArray[np.int64]:
        """Return which side a look is from, (...,) to (...,) in [0, SIDES)."""
        return np.where(slope > self._tangent, 1, np.where(slope < -self._tangent, 2, 0))

    def worth(self, quality: Float) -> Float:
        """Return the chance that a full look of that quality finds a target at each point, (..., n)."""
        return self._ceiling * quality

    def detection(self) -> Float:
        """Return the chance that the looks from each side would have found a target at each point, (SIDES, n)."""
        return self.worth(self._quality) * (self._frames / self._config.frames)


def missed(detection: Float) -> Float:
    """Return the chance that all looks missed a target at each point, (SIDES, n) to (n,)."""
    return np.prod(1.0 - detection, axis=0)


def newly_detected(worth: Float, before: Float) -> Float:
    """Return the chance that a look finds a target which the looks so far from its side have missed, (..., n).

    Args:
        worth: Chance that the look finds a target at each point, (..., n).
        before: Chance that the looks so far from that side would have, (..., n).
    """
    return (np.maximum(worth, before) - before) / (1.0 - before)
