"""The agent state: what the actor sees and remembers when it chooses a view; and what only a critic may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from robots.errors import SpecError, UsageError
from robots.region import SearchRegion
from robots.types import Float, Image, Observation, Privileged, read_only

IMAGE_PX = 84
PRIVILEGED_KEYS = ("target_position", "target_present", "target_visibility", "views_with_target")


@dataclass(frozen=True, slots=True, eq=False)
class AgentState:
    """The actor's whole input at one decision. Nothing privileged has a place in it.

    Attributes:
        image: Wrist camera, uint8 (84, 84, 3).
        proprioception: See `proprioception`, float32 (p,).
        seen_map: `SeenMap.channels`, float32 (channels, shelves, columns).
        views: `SeenMap.view_features`, float32 (v, f).
        mask: True where a view may be chosen, bool (v,).
    """

    image: Image
    proprioception: NDArray[np.float32]
    seen_map: NDArray[np.float32]
    views: NDArray[np.float32]
    mask: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, read_only(getattr(self, item.name)))


@dataclass(frozen=True, slots=True)
class ObsGroups:
    """Which entries each network sees.

    Attributes:
        actor: Parts of `AgentState`; all of them, always.
        critic: Privileged entries that the critic gets beside the agent state; empty makes it symmetric.
    """

    actor: tuple[str, ...] = tuple(item.name for item in fields(AgentState))
    critic: tuple[str, ...] = PRIVILEGED_KEYS

    def __post_init__(self) -> None:
        for key in self.actor:
            if key not in AgentState.__slots__:
                raise UsageError.unknown("actor input", key, AgentState.__slots__)
        for key in self.critic:
            if key not in PRIVILEGED_KEYS:
                raise UsageError.unknown("privileged critic input", key, PRIVILEGED_KEYS)


def proprioception(observation: Observation, region: SearchRegion, camera: str) -> NDArray[np.float32]:
    """Return joint positions [rad], camera position relative to the region, viewing direction and gripper, (n + 7,)."""
    pose = observation.camera_to_world[camera]
    relative = _in_region(pose[:3, 3], region)
    return np.concatenate([observation.joint_positions_rad, relative, pose[:3, 2], [observation.gripper]]).astype(
        np.float32
    )


def privileged_vector(privileged: Privileged, groups: ObsGroups) -> NDArray[np.float32]:
    """Return the critic's privileged input, its entries in the order of `groups.critic`, (o,).

    Raises:
        SpecError: An entry is missing.
    """
    missing = [key for key in groups.critic if key not in privileged.values]
    if missing:
        raise SpecError(f"privileged entry {missing[0]!r} is missing; it has {', '.join(privileged.values)}.")
    parts = [np.ravel(privileged.values[key]) for key in groups.critic]
    return np.concatenate([np.zeros(0), *parts]).astype(np.float32)


def target_privileged(
    position_m: Float | None, visibility: float, region: SearchRegion, in_view: Sequence[bool]
) -> Privileged:
    """Return the privileged entries of one decision.

    Args:
        position_m: The target's centre, world frame, (3,) [m], or None when the scene holds no target.
        visibility: Fraction of the target's pixels that the current image shows.
        region: The bookcase.
        in_view: For each candidate view, whether its sight covers the target's place.
    """
    present = position_m is not None
    return Privileged(
        {
            "target_position": _in_region(position_m, region) if position_m is not None else np.zeros(3),
            "target_present": np.array([float(present)]),
            "target_visibility": np.array([visibility]),
            "views_with_target": np.asarray(in_view, dtype=np.float64),
        }
    )


def downsample(image: Image, size_px: int = IMAGE_PX) -> Image:
    """Return a square image of `size_px` by averaging areas; the centre is cut out of a wider one.

    Raises:
        SpecError: The image is smaller than `size_px`.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    if side < size_px:
        raise SpecError(f"wrist image: {width}x{height} is smaller than the {size_px} pixels the search policy needs.")
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == size_px:
        return np.ascontiguousarray(square)
    edges = np.linspace(0, side, size_px + 1).round().astype(np.int64)
    rows = np.add.reduceat(square.astype(np.float32), edges[:-1], axis=0)
    sums = np.add.reduceat(rows, edges[:-1], axis=1)
    lengths = np.diff(edges).astype(np.float32)
    return (sums / (lengths[:, None, None] * lengths[None, :, None])).round().astype(np.uint8)


def _in_region(point_m: Float, region: SearchRegion) -> Float:
    """Return a point relative to the opening's centre, in units of half the opening, (3,)."""
    top = region.top_z_m
    center = np.array([region.front_x_m, 0.5 * (region.y_min_m + region.y_max_m), 0.5 * (region.floor_z_m + top)])
    half = np.array([region.depth_m, 0.5 * (region.y_max_m - region.y_min_m), 0.5 * (top - region.floor_z_m)])
    return (point_m - center) / half
