"""Ways around drawers and doors: straight where the hand stays clear, else over via poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from robots.region import SearchRegion
from robots.types import Float
from search_policy.motion.geometry import pose_difference
from search_policy.motion.keepout import KeepOut
from search_policy.motion.viewpoints import CameraBox, ViewConfig, camera_box

_APART_M = 0.06  # via poses nearer to each other than this are the same
_TURN_M_PER_RAD = 0.35  # how far the camera could have moved in the time of a turn


@dataclass(frozen=True, slots=True, eq=False)
class Router:
    """Finds via poses that keep the hand clear of what stands before the furniture.

    Attributes:
        keep_out: What to keep clear of.
        box: Where the camera may be.
        retreat_x_m: x at which the hand is in front of everything but doors [m].
        over_z_m: Camera height at which a level hand passes over every pulled-out drawer [m].
    """

    keep_out: KeepOut
    box: CameraBox
    retreat_x_m: float
    over_z_m: float

    @classmethod
    def of(cls, region: SearchRegion, views: ViewConfig | None = None) -> Router:
        """Return the router of a region."""
        views = views or ViewConfig()
        keep_out, box = KeepOut.of(region), camera_box(region, views)
        ground = keep_out.low_m[:, 2] < region.floor_z_m
        nearest = float(keep_out.low_m[ground, 0].min())
        retreat = nearest - views.tip_lead_m - keep_out.config.margin_m
        drawers = keep_out.high_m[1:][ground[1:], 2]
        over = float(drawers.max(initial=box.low_m[2])) + 0.16
        return cls(keep_out, box, max(retreat, box.low_m[0]), min(over, box.high_m[2]))

    def via(self, current: Float, target: Float, unreachable: Sequence[Float] = ()) -> Float | None:
        """Return the pose to go to first, (4, 4): the target where the way is clear; None where no way was found.

        Args:
            current: Camera pose, (4, 4).
            target: Camera pose, (4, 4).
            unreachable: Via poses that turned out to be out of the arm's reach, (4, 4) each.
        """
        if self.keep_out.is_clear(current, target):
            return target
        options = [
            pose
            for pose in self._options(current, target)
            if all(_length(pose, other) > _APART_M for other in unreachable)
        ]
        reachable = [pose for pose in options if self.keep_out.is_clear(current, pose)]
        arriving = [pose for pose in options if self.keep_out.is_clear(pose, target)]
        direct = [pose for pose in reachable if any(pose is other for other in arriving)]
        if direct:
            return min(direct, key=lambda pose: _length(current, pose) + _length(pose, target))
        pairs = [(a, b) for a, b in product(reachable, arriving) if self.keep_out.is_clear(a, b)]
        if not pairs:
            return None
        return min(pairs, key=lambda pair: _way(current, *pair, target))[0]

    def _options(self, current: Float, target: Float) -> list[Float]:
        """Via poses: the two ends' places, drawn back, lifted, or both, with the one or the other end's orientation."""
        options: list[Float] = []
        for place, turned in product((current, target), repeat=2):
            x, y, z = place[:3, 3]
            back, over = min(x, self.retreat_x_m), max(z, self.over_z_m)
            half = 0.5 * (x + back)
            for position in ((back, y, z), (half, y, z), (x, y, over), (half, y, over), (back, y, over)):
                pose = turned.copy()
                pose[:3, 3] = self.box.clip(np.array(position))
                if all(_length(pose, other) > 0.01 for other in options):
                    options.append(pose)
        return options


def _way(*poses: Float) -> float:
    return sum(_length(a, b) for a, b in pairwise(poses))


def _length(start: Float, end: Float) -> float:
    shift, turn = pose_difference(start, end)
    return max(float(np.linalg.norm(shift)), _TURN_M_PER_RAD * float(np.linalg.norm(turn)))
