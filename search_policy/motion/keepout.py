"""What camera, fingers and hand must keep clear of: the furniture, pulled-out drawers and the leaves of open doors.

Everything follows from the `SearchRegion` alone, so that it holds on a robot whose furniture was only measured:
a compartment that opens to the top is a drawer that is pulled out, and one with a closure that opens to the front has a
door, hinged on the side away from the middle of the furniture and at least half open.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from robots.errors import UsageError
from robots.region import Compartment, Opening, SearchRegion
from robots.types import Float, read_only
from search_policy.motion.geometry import pose_difference

_FAR_M = 10.0  # stands for "down to the ground" and "to the back wall"
_SIDE_WALL_M = 0.04  # boards beside, above and behind the outermost compartments


@dataclass(frozen=True, slots=True)
class Sphere:
    """A part of the hand.

    Attributes:
        center_m: In the camera's frame: x right, y down, z forward [m].
        radius_m: Its radius [m].
    """

    center_m: tuple[float, float, float]
    radius_m: float


# Two finger tips, two fingers, both ends and the middle of the palm, the camera, and the last link behind it.
HAND = (
    Sphere((-0.050, 0.085, 0.107), 0.014),
    Sphere((0.050, 0.085, 0.107), 0.014),
    Sphere((-0.058, 0.078, 0.055), 0.020),
    Sphere((0.058, 0.078, 0.055), 0.020),
    Sphere((-0.065, 0.073, 0.012), 0.030),
    Sphere((0.065, 0.073, 0.012), 0.030),
    Sphere((0.0, 0.073, 0.0), 0.035),
    Sphere((0.0, 0.0, 0.0), 0.032),
    Sphere((0.0, 0.055, -0.058), 0.045),
    Sphere((0.0, -0.050, -0.082), 0.055),
)


@dataclass(frozen=True, slots=True)
class KeepOutConfig:
    """The hand's shape and the air that is left around it."""

    # Parts of the hand, in the camera's frame
    hand: tuple[Sphere, ...] = HAND
    # Air that a planned motion leaves between hand and furniture [m]
    margin_m: float = 0.02
    # Sides of a drawer, and how far its front is wider than its inside [m]
    drawer_wall_m: float = 0.022
    # How far a drawer's front may reach above its rim [m]
    drawer_lip_m: float = 0.012
    # How far handles, shut doors and screens reach out in front of the face of furniture that has closures [m]
    handle_m: float = 0.085
    # Room that an open door's leaf takes on the inner side of its hinge [m]
    leaf_m: float = 0.03
    # Step between the poses of a motion that are checked [m]
    step_m: float = 0.03

    def __post_init__(self) -> None:
        if not self.hand or self.step_m <= 0.0 or self.margin_m < 0.0:
            raise UsageError("keep-out: needs a hand of at least one sphere, step_m above 0 and margin_m not below 0.")


@dataclass(frozen=True, slots=True, eq=False)
class KeepOut:
    """Boxes that the hand keeps out of.

    Attributes:
        low_m: Lower corners, (b, 3) [m].
        high_m: Upper corners, (b, 3) [m].
        config: Hand and margins.
    """

    low_m: Float
    high_m: Float
    config: KeepOutConfig = field(default_factory=KeepOutConfig)
    _centers: Float = field(init=False)
    _radii: Float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "low_m", read_only(np.asarray(self.low_m, dtype=np.float64)))
        object.__setattr__(self, "high_m", read_only(np.asarray(self.high_m, dtype=np.float64)))
        object.__setattr__(self, "_centers", np.array([part.center_m for part in self.config.hand]))
        object.__setattr__(self, "_radii", np.array([part.radius_m for part in self.config.hand]))

    @classmethod
    def of(cls, region: SearchRegion, config: KeepOutConfig | None = None) -> KeepOut:
        """Return what the furniture of a region keeps the hand out of."""
        config = config or KeepOutConfig()
        boxes = [_body(region, config)]
        for compartment in region.compartments:
            if compartment.opening is Opening.TOP:
                boxes.append(_drawer(compartment, region, config))
            elif compartment.closure:
                boxes.append(_leaf(compartment, region, config))
        low, high = zip(*boxes, strict=True)
        return cls(np.array(low), np.array(high), config)

    def clearance_m(self, camera_to_world: Float) -> Float:
        """Return the air between the hand and the nearest box, negative inside; (..., 4, 4) to (...,) [m]."""
        rotation, position = camera_to_world[..., :3, :3], camera_to_world[..., :3, 3]
        centers = np.einsum("...ij,sj->...si", rotation, self._centers) + position[..., None, :]
        outside = np.maximum(self.low_m - centers[..., None, :], centers[..., None, :] - self.high_m)
        apart = np.linalg.norm(np.maximum(outside, 0.0), axis=-1) + np.minimum(outside.max(axis=-1), 0.0)
        air: Float = (apart.min(axis=-1) - self._radii).min(axis=-1)
        return air

    def is_clear(self, start: Float, end: Float) -> bool:
        """Return whether the hand keeps its margin on the straight way from one camera pose (4, 4) to another.

        A start that is too close already is forgiven, as long as the way leads out.
        """
        air = self.clearance_m(poses_between(start, end, self.config.step_m))
        margin = self.config.margin_m
        on_the_way, at_the_end = min(margin, max(float(air[0]), 0.0)), min(margin, float(air[0]) + 0.05)
        return bool((air[1:] >= on_the_way - 1e-9).all()) and bool(air[-1] >= at_the_end - 1e-9)


def poses_between(start: Float, end: Float, step_m: float) -> Float:
    """Return poses at most `step_m` apart between two poses, ends included, turning evenly, (n, 4, 4)."""
    shift, turn = pose_difference(start, end)
    steps = max(1, int(np.ceil((np.linalg.norm(shift) + 0.12 * np.linalg.norm(turn)) / step_m)))
    share = np.linspace(0.0, 1.0, steps + 1)
    angle = float(np.linalg.norm(turn))
    x, y, z = turn / max(angle, 1e-12)
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    sine, versine = np.sin(share * angle)[:, None, None], (1.0 - np.cos(share * angle))[:, None, None]
    poses = np.tile(np.eye(4), (steps + 1, 1, 1))
    poses[:, :3, :3] = (np.eye(3) + sine * skew + versine * (skew @ skew)) @ start[:3, :3]
    poses[:, :3, 3] = start[:3, 3] + share[:, None] * shift
    return poses


def _body(region: SearchRegion, config: KeepOutConfig) -> tuple[Float, Float]:
    """The furniture itself, from its face backwards, and what may stick out of the face."""
    out = config.handle_m if any(c.closure for c in region.compartments) else 0.0
    low = (region.front_x_m - out, region.y_min_m - _SIDE_WALL_M, -_FAR_M)
    return np.array(low), np.array([_FAR_M, region.y_max_m + _SIDE_WALL_M, region.top_z_m + _SIDE_WALL_M])


def _drawer(drawer: Compartment, region: SearchRegion, config: KeepOutConfig) -> tuple[Float, Float]:
    """A pulled-out drawer with its walls, down to the ground."""
    wall = config.drawer_wall_m
    low = (drawer.front_x_m - (config.handle_m if drawer.closure else wall), drawer.y_min_m - wall, -_FAR_M)
    back = max(region.front_x_m, drawer.front_x_m + drawer.depth_m)
    return np.array(low), np.array([back, drawer.y_max_m + wall, drawer.top_z_m + config.drawer_lip_m])


def _leaf(compartment: Compartment, region: SearchRegion, config: KeepOutConfig) -> tuple[Float, Float]:
    """Where the leaf of an open door may be: beside the furniture, as far forward as it is wide."""
    width = compartment.y_max_m - compartment.y_min_m
    leftwards = compartment.y_min_m + compartment.y_max_m >= region.y_min_m + region.y_max_m
    hinge, inner = (compartment.y_max_m, -config.leaf_m) if leftwards else (compartment.y_min_m, config.leaf_m)
    sides = sorted((hinge + inner, hinge + (width if leftwards else -width)))
    low = (compartment.front_x_m - width, sides[0], compartment.floor_z_m - 0.02)
    return np.array(low), np.array([compartment.front_x_m, sides[1], compartment.top_z_m + 0.02])
