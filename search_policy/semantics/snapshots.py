"""Maps of half-searched layouts with the target's true place: what a belief is trained on. Free in simulation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robots.sim.episode import EpisodeSpec
from robots.sim.furniture import find_furniture
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.randomization import Randomization, load_randomization
from robots.sim.tasks import find_task, scene_of, targets_of
from robots.types import Float
from search_policy.episodes.simulator import closed_parts
from search_policy.episodes.world import CAMERA
from search_policy.memory.seen_map import SeenMap, SeenMapConfig
from search_policy.memory.semantic_map import SemanticMap
from search_policy.motion.viewpoints import ViewConfig, candidate_views
from search_policy.observations import downsample
from search_policy.semantics.labelled import view_bank
from search_policy.semantics.labels import LABELS
from search_policy.semantics.reader import Reader

MOST_VIEWS = 5
ON_THE_WAY = (0.5, 1.0)  # where, between one view and the next, frames are taken


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One moment of a search.

    Attributes:
        seen: Channels of the seen-map and of the semantic map, float32 (channels, compartments, columns).
        target: Index of the object that is looked for, in `LABELS`.
        cell: Where it is: compartment * columns + column.
    """

    seen: NDArray[np.float32]
    target: int
    cell: int


class Surveyor:
    """Looks at layouts from random sequences of views, without the time of moving between them.

    Args:
        tasks: Registered task names that share a scene.
        reader: Names what the images show.
        wrist_px: Width and height of the camera's image.
        randomization: What varies besides the layout: a preset's name or a YAML file's path.
        usual: Share of layouts that are about the task's usual target; the others are about any other object.
    """

    def __init__(
        self, tasks: Sequence[str], reader: Reader, *, wrist_px: int, randomization: str, usual: float
    ) -> None:
        self._tasks, self._reader, self._usual = tuple(tasks), reader.eval(), usual
        self._varied: Randomization = load_randomization(randomization)
        scene = scene_of(tasks[0])
        self._robot = MujocoRobot(SimConfig(wrist_px=(wrist_px, wrist_px), scene=scene), lambda: 0.0)
        region, camera = find_furniture(scene).region, self._robot.description.cameras[CAMERA]
        self._map = SeenMap(region, camera, candidate_views(region, ViewConfig()), SeenMapConfig())
        self._semantic = SemanticMap(self._map.points_m, self._map.shape, camera, len(LABELS))
        self._bank: list[Float] = []

    def survey(self, seeds: Sequence[int], rng: np.random.Generator) -> Iterator[list[Snapshot]]:
        """Yield the snapshots of each layout, at least one."""
        with self._robot:
            for index, seed in enumerate(seeds):
                yield self._layout(self._draw(self._tasks[index % len(self._tasks)], seed, rng), rng)

    def _draw(self, task: str, seed: int, rng: np.random.Generator) -> EpisodeSpec:
        targets = targets_of(task)
        usual = find_task(task).target
        target = usual if rng.random() < self._usual else str(rng.choice(targets))
        return sample_episode(task, seed, target=target, randomization=self._varied)

    def _layout(self, spec: EpisodeSpec, rng: np.random.Generator) -> list[Snapshot]:
        self._bank = self._bank or view_bank(spec)
        self._map.reset(closed_parts(spec))
        self._semantic.reset()
        target, cell = LABELS.index(spec.task.target), self._cell_of(spec)
        posture = np.array(spec.home_rad)
        self._look(spec, posture)
        snapshots = [self._snapshot(target, cell)]
        for index in rng.integers(len(self._bank), size=int(rng.integers(MOST_VIEWS))):
            for share in ON_THE_WAY:
                self._look(spec, posture + share * (self._bank[index] - posture))
            posture = self._bank[index]
            snapshots.append(self._snapshot(target, cell))
        return snapshots

    def _look(self, spec: EpisodeSpec, posture: Float) -> None:
        self._robot.reset(replace(spec, home_rad=tuple(float(q) for q in posture)))
        observation = self._robot.get_observation()
        pose = observation.camera_to_world[CAMERA]
        self._map.update(pose)
        if self._map.in_sight.any():
            patches = self._reader.read(downsample(observation.images[CAMERA]))
            self._semantic.update(pose, self._map.in_sight, patches)

    def _snapshot(self, target: int, cell: int) -> Snapshot:
        return Snapshot(np.concatenate([self._map.channels(), self._semantic.channels()]), target, cell)

    def _cell_of(self, spec: EpisodeSpec) -> int:
        place = next(item.position_m for item in spec.objects if item.name == spec.target_name)
        compartment, column = self._map.cell_of(np.array(place) + np.array([0.0, 0.0, 0.03])) or (0, 0)
        return compartment * self._map.shape[1] + column
