"""A small LeRobot dataset with the columns of recorded grasps: coloured squares, and actions that move towards them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robots.grasp_action import ACTION_NAMES
from vla_bridge.training.checks import SHAPES

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 220)}
SIDE_PX = 16


def features(**changes):
    """The dataset's columns; a changed one is replaced, or left out where it is None."""
    columns = {
        key: {"dtype": "image", "shape": shape, "names": ["height", "width", "channels"]}
        for key, shape in SHAPES.items()
        if ".images." in key
    }
    columns |= {
        key: {"dtype": "float32", "shape": shape, "names": [f"{key}.{index}" for index in range(shape[0])]}
        for key, shape in SHAPES.items()
        if ".images." not in key
    }
    columns["action"]["names"] = list(ACTION_NAMES)
    columns |= {key.replace("__", "."): value for key, value in changes.items()}
    return {key: value for key, value in columns.items() if value is not None}


def record(root: Path, *, episodes=3, frames=10, fps=15, seed=0, columns=None, change=None) -> Path:
    """Record episodes; `change(frame, episode, index)` may spoil a frame before it is added."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    columns = columns or features()
    dataset = LeRobotDataset.create("local/squares", fps, columns, root=root, use_videos=False)
    rng = np.random.default_rng(seed)
    for episode in range(episodes):
        colour = list(COLOURS)[episode % len(COLOURS)]
        for index in range(frames + episode):
            frame = _frame(rng, colour)
            if change is not None:
                change(frame, episode, index)
            dataset.add_frame({key: value for key, value in frame.items() if key in columns or key == "task"})
        dataset.save_episode()
    dataset.finalize()
    return root


def _frame(rng, colour):
    place = rng.uniform(-1.0, 1.0, 2).astype(np.float32)
    action = np.zeros(len(ACTION_NAMES), np.float32)
    action[:2] = 0.2 * place
    return {
        **{key: _square(rng, shape, place, COLOURS[colour]) for key, shape in SHAPES.items() if ".images." in key},
        "observation.state": rng.uniform(-1.0, 1.0, 8).astype(np.float32),
        "action": action,
        "privileged.target_px": np.array([*place, 1.0], np.float32),
        "task": f"Pick up the {colour} mug.",
    }


def _square(rng, shape, place, colour):
    height, width, _ = shape
    image = rng.integers(0, 60, shape).astype(np.uint8)
    left, top = ((place * 0.5 + 0.5) * (np.array([width, height]) - SIDE_PX)).astype(int)
    image[top : top + SIDE_PX, left : left + SIDE_PX] = colour
    return image
