"""Demonstrations of grasps as columns of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from handoff.dataset.columns import ACTION, IMAGES, PRIVILEGED, STATE, Features

if TYPE_CHECKING:
    from handoff.dataset.image_part import PartFormat
    from robots.sim.grasping.demonstrations import Demonstration

FPS = 15
TARGET_PX = f"{PRIVILEGED}target_px"


def columns_of(demonstration: Demonstration) -> dict[str, np.ndarray]:
    """Return a demonstration's values by column, (t, ...) each."""
    frames = demonstration.frames
    images = {f"{IMAGES}{name}": np.stack([frame.images[name] for frame in frames]) for name in frames[0].images}
    return {
        **images,
        STATE: np.stack([frame.state for frame in frames]),
        ACTION: np.stack([frame.action for frame in frames]),
        TARGET_PX: np.stack([frame.target_px for frame in frames]),
    }


def part_format() -> PartFormat:
    """Return the columns of the dataset."""
    from handoff.dataset.image_part import PartFormat
    from robots.grasp_action import ACTION_NAMES
    from robots.sim.arm import JOINT_NAMES
    from robots.sim.grasping.demonstrations import IMAGE_SIZES

    features: Features = {
        f"{IMAGES}{name}": {"dtype": "image", "shape": (*size, 3), "names": ["height", "width", "channels"]}
        for name, size in IMAGE_SIZES.items()
    }
    joints = [f"{joint}.pos" for joint in (*JOINT_NAMES, "gripper")]
    features[STATE] = _vector(joints, "rad; gripper 0 open to 1 closed")
    features[ACTION] = _vector(ACTION_NAMES, "m/s and rad/s in the gripper's frame; gripper 0 open to 1 closed; refuse")
    features[TARGET_PX] = _vector(("x", "y", "seen"), "-1 to 1 across the wrist image; 1 where it is seen")
    return PartFormat("sim", FPS, features)


def _vector(names: Sequence[str], unit: str) -> dict[str, Any]:
    return {"dtype": "float32", "shape": (len(names),), "names": list(names), "info": {"unit": unit}}
