"""Demonstrations of the right shapes, full of noise: what an update costs does not depend on what is in them."""

from __future__ import annotations

import numpy as np

from search_policy.learning.replay import NO_ACTION, Frames
from search_policy.memory.seen_map import VIEW_FEATURES
from search_policy.observations import IMAGE_PX

JOINTS, CHANNELS, SHELVES, COLUMNS, VIEWS = 7, 6, 3, 12, 21
PROPRIOCEPTION = JOINTS + 7
STEPS = 9


def noise_frames(episodes: int, decisions: int, seed: int = 0) -> Frames:
    """Return episodes of `decisions` decisions each, and one last frame without.

    Args:
        episodes: How many.
        decisions: In each.
        seed: Of the noise.
    """
    rng = np.random.default_rng(seed)
    n = episodes * (decisions + 1)
    last = np.arange(n) % (decisions + 1) == decisions
    before_last = np.roll(last, -1)
    return Frames(
        image=rng.integers(256, size=(n, IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8),
        proprioception=rng.normal(size=(n, PROPRIOCEPTION)).astype(np.float32),
        seen_map=rng.random((n, CHANNELS, SHELVES, COLUMNS), dtype=np.float32),
        views=rng.random((n, VIEWS, len(VIEW_FEATURES)), dtype=np.float32),
        mask=np.ones((n, VIEWS), dtype=np.bool_),
        action=np.where(last, NO_ACTION, rng.integers(VIEWS, size=n)),
        steps=np.where(last, 0, STEPS).astype(np.int64),
        found=before_last,
        coverage_gain=rng.random(n, dtype=np.float32),
        collisions=np.zeros(n, dtype=np.int64),
        terminated=before_last,
        truncated=np.zeros(n, dtype=np.bool_),
        episode=np.repeat(np.arange(episodes), decisions + 1),
        target_position=rng.uniform(-1.0, 1.0, (n, 3)).astype(np.float32),
        target_present=np.ones((n, 1), dtype=np.float32),
        target_visibility=rng.random((n, 1), dtype=np.float32),
        views_with_target=rng.integers(2, size=(n, VIEWS)).astype(np.float32),
    )
