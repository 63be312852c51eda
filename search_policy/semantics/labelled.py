"""Wrist images with a label for every patch, free in simulation: random postures before random layouts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robots.errors import SpecError
from robots.sim.episode import EpisodeSpec
from robots.sim.furniture import find_furniture
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.randomization import load_randomization
from robots.sim.tasks import scene_of
from robots.types import Float, Image
from search_policy.episodes.simulator import view_postures
from search_policy.episodes.world import CAMERA
from search_policy.motion.viewpoints import ViewConfig, candidate_views
from search_policy.observations import IMAGE_PX, downsample
from search_policy.semantics.ground_truth import geom_labels, patch_labels

VIEWS_PER_LAYOUT = 6
JITTER_RAD = 0.06


@dataclass(frozen=True, slots=True, eq=False)
class LabelledView:
    """One image.

    Attributes:
        image: As the actor sees it, uint8 (84, 84, 3).
        labels: Of its patches, indices into `LABELS`, uint8 (21, 21).
    """

    image: Image
    labels: NDArray[np.uint8]


def labelled_views(
    tasks: Sequence[str], seeds: range, count: int, *, wrist_px: int, randomization: str
) -> Iterator[LabelledView]:
    """Yield `count` images from layouts of tasks that share a scene.

    Args:
        tasks: Registered task names, in turn.
        seeds: Layout seeds, in turn; reused from the start when they run out.
        count: Number of images.
        wrist_px: Width and height of the camera's image, before it is made smaller for the actor.
        randomization: What varies besides the layout: a preset's name or a YAML file's path.
    """
    scene = scene_of(tasks[0])
    varied = load_randomization(randomization)
    robot = MujocoRobot(SimConfig(wrist_px=(wrist_px, wrist_px), scene=scene), lambda: 0.0)
    labels = geom_labels(robot.model, find_furniture(scene))
    rng = np.random.default_rng(seeds.start)
    postures: list[Float] = []
    with robot:
        for index in range(-(-count // VIEWS_PER_LAYOUT)):
            spec = sample_episode(tasks[index % len(tasks)], seeds[index % len(seeds)], randomization=varied)
            postures = postures or view_bank(spec)
            for _ in range(min(VIEWS_PER_LAYOUT, count - index * VIEWS_PER_LAYOUT)):
                _place(robot, spec, postures, rng)
                image = downsample(robot.get_observation().images[CAMERA])
                ids = robot.renderer.geom_ids(robot.data, CAMERA, (IMAGE_PX, IMAGE_PX))
                yield LabelledView(image, patch_labels(ids, labels))


def view_bank(spec: EpisodeSpec) -> list[Float]:
    """Return joint positions (n,) [rad] at the candidate views that the arm reaches."""
    views = candidate_views(find_furniture(spec.scene).region, ViewConfig())
    return [posture for posture in view_postures(views, spec.home_rad) if posture is not None]


def _place(robot: MujocoRobot, spec: EpisodeSpec, postures: Sequence[Float], rng: np.random.Generator) -> None:
    """Put the arm on the way from its start, or from a view, to another view."""
    while True:
        ends = [np.array(spec.home_rad), *(postures[int(i)] for i in rng.integers(len(postures), size=2))]
        start, end = ends[int(rng.integers(2))], ends[2]
        posture = start + rng.uniform(0.0, 1.0) * (end - start) + rng.normal(0.0, JITTER_RAD, len(end))
        try:
            robot.reset(replace(spec, home_rad=tuple(float(q) for q in posture)))
        except SpecError:  # beyond a joint's limits: draw again
            continue
        return
