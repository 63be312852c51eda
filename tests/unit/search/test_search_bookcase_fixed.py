"""The bookcase's views, map and features are what the shipped actor was trained on: they must not move."""

import hashlib

import numpy as np

from robots.sim.furniture import BOOKCASE
from robots.types import CameraIntrinsics
from search_policy.memory.seen_map import SeenMap, SeenMapConfig
from search_policy.motion.geometry import look_at
from search_policy.motion.viewpoints import ViewConfig, camera_box, candidate_views

REGION = BOOKCASE.region
VIEWS = candidate_views(REGION, ViewConfig())


def digest(*arrays):
    """Hash arrays to a micrometre: coarse enough for another machine's arithmetic."""
    total = hashlib.sha256()
    for array in arrays:
        total.update((np.round(np.asarray(array, dtype=np.float64), 6) + 0.0).tobytes())
    return total.hexdigest()[:16]


def test_views_and_box_are_unchanged():
    box = camera_box(REGION, ViewConfig())
    assert hashlib.sha256(" ".join(view.name for view in VIEWS).encode()).hexdigest()[:16] == "3a43ef4f31d4d1a2"
    assert digest(*[v.camera_to_world for v in VIEWS], *[v.aim_m for v in VIEWS]) == "33fc8edb7dd1ad3e"
    assert digest(box.low_m, box.high_m) == "07150df79d2ed780"


def test_map_and_features_are_unchanged():
    seen = SeenMap(REGION, CameraIntrinsics(84, 84, 60.0), VIEWS, SeenMapConfig())
    visits = np.arange(len(VIEWS)) % 3
    channels, features = [seen.channels()], [seen.view_features(np.array([0.4, 0, 0.5]), visits)]
    rng = np.random.default_rng(0)
    for _ in range(40):
        start = rng.uniform([0.2, -0.5, 0.2], [0.5, 0.5, 0.9])
        seen.update(look_at(start, start + np.array([0.5, rng.uniform(-0.4, 0.4), rng.uniform(-0.3, 0.3)])))
        channels.append(seen.channels())
        features.append(seen.view_features(start, visits))
    assert channels[0].shape == (6, 3, 12)
    assert digest(*channels) == "1b0c25c1db0bcd36"
    assert digest(*features) == "0e88581a4ff4f78b"
    covers = [[seen.contains(i, view.aim_m) for view in VIEWS] for i in range(len(VIEWS))]
    assert digest(covers) == "7f7d675adca136dc"
