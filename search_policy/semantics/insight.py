"""What a search skill makes of what it sees: a reader, its map, and a belief about the target's place.

Learned once per scene, before demonstrations are recorded; then every searcher's map and view features include it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robots.types import Float, Image
from search_policy.memory.evidence import missed, newly_detected
from search_policy.memory.seen_map import SeenMap
from search_policy.memory.semantic_map import SemanticMap
from search_policy.motion.keepout import KeepOut
from search_policy.motion.mover import MoverConfig
from search_policy.motion.travel import LookTimes
from search_policy.semantics.belief import Belief
from search_policy.semantics.features import TIME_S
from search_policy.semantics.labels import LABELS
from search_policy.semantics.reader import Reader


class Insight:
    """Reads every frame, remembers what stands where, and says which views are likely to show the target.

    Args:
        reader: Names what patches of an image show.
        belief: Says where the target probably is.
    """

    def __init__(self, reader: Reader, belief: Belief) -> None:
        self.reader, self._belief = reader.eval(), belief.eval()

    @classmethod
    def load(cls, folder: Path) -> Insight:
        """Load a folder that `save` wrote.

        Raises:
            CheckpointError: A file is missing or damaged, or the weights do not fit the configuration.
        """
        from search_policy.semantics.storage import load_insight

        return cls(*load_insight(folder))

    def attach(self, seen_map: SeenMap, limits: MoverConfig) -> None:
        """Look at that map's cells and views from now on."""
        self._map = seen_map
        self._semantic = SemanticMap(seen_map.points_m, seen_map.shape, seen_map.camera, len(LABELS))
        self._times = LookTimes(KeepOut.of(seen_map.region), limits)
        self.reset("")

    def reset(self, target: str) -> None:
        """Begin an episode that looks for a named object; an unknown name stands for any object."""
        self._semantic.reset()
        self._name = name_of(target)

    def look(self, image: Image, camera_to_world: Float) -> None:
        """Take in one frame, after the seen-map did.

        Args:
            image: As the actor sees it, uint8 (84, 84, 3).
            camera_to_world: Where it was captured, (4, 4).
        """
        if self._map.in_sight.any():
            self._semantic.update(camera_to_world, self._map.in_sight, self.reader.read(image))

    def channels(self) -> NDArray[np.float32]:
        """Return the semantic map, (labels, compartments, columns)."""
        return self._semantic.channels()

    def belief(self) -> Float:
        """Return how likely the target is in every cell, (compartments, columns), summing to one."""
        known = np.concatenate([self._map.channels(), self.channels()])
        return self._belief.cells(known, self._name)

    def view_features(self) -> NDArray[np.float32]:
        """Return `features.VIEW_FEATURES` of every candidate view, (v, 4).

        `expected` and `likely` are the chances that a look from there finds the target, for a target that is anywhere
        with equal weight and for the belief; `time` is that of the way and the look [`TIME_S`]; `rate` is the
        logarithm of `likely` per second.
        """
        seen_map = self._map
        worth, sides = seen_map.look_worth()
        detection = seen_map.evidence.detection()
        before = detection[sides, np.arange(sides.shape[1])]
        gain = newly_detected(worth, before)
        left = missed(detection)
        expected = gain @ _shared(seen_map.point_weights() * left)
        likely = gain @ _shared(self._points(self.belief(), left))
        here = seen_map.camera_to_world
        time_s = np.array([self._times.between(here, view.camera_to_world) for view in seen_map.views])
        rate = np.log(likely + 1e-3) - np.log(time_s)
        return np.stack([expected, likely, time_s / TIME_S, 0.3 * rate], axis=1).astype(np.float32)

    def _points(self, cells: Float, left: Float) -> Float:
        """Spread every cell's probability over its points, most where they were seen least, (n,)."""
        per_cell = left.reshape(cells.size, -1) + 1e-6
        return (cells.ravel()[:, None] * per_cell / per_cell.sum(axis=1, keepdims=True)).ravel()


def name_of(target: str, names: Sequence[str] = LABELS) -> NDArray[np.float32]:
    """Return the one-hot of an object's name, all zero for an unknown one, (names,)."""
    return np.array([float(name == target) for name in names], dtype=np.float32)


def _shared(mass: Float) -> Float:
    return mass / max(float(mass.sum()), 1e-12)
