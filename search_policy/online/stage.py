"""What online episodes run in: the world, the tasks and their layouts, the limits, and who may take over."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from robots.errors import UsageError
from search_policy.episodes.collect import Layout, scene_of_tasks
from search_policy.episodes.rollout import RolloutConfig
from search_policy.episodes.simulator import SimulatedWorld
from search_policy.episodes.world import DetectorFactory, SearchWorld, SegmentationDetector
from search_policy.learning.config import TRAIN_SEEDS, TWIST, TrainConfig
from search_policy.online.config import OnlineConfig
from search_policy.online.interventions import InterventionFactory, OracleTakeovers
from search_policy.skill import SearchConfig
from search_policy.twist.config import TwistConfig

LAYOUTS_PER_EPISODE = 16  # layouts tried for one episode until the target is hidden at the start
WorldFactory = Callable[[], SearchWorld]


@runtime_checkable
class TargetedWorld(Protocol):
    """A world whose layouts can be about any object."""

    def look_for(self, target: str | None) -> None:
        """Choose what the layouts from the next `reset` on are about."""
        ...


@dataclass(frozen=True, slots=True)
class SimulatedWorlds:
    """Makes one simulation per worker; a value, so that it can be sent to workers.

    Attributes:
        wrist_px: Width and height of the wrist image.
        randomization: What varies besides the layout.
        scene: Name of the furniture.
    """

    wrist_px: int
    randomization: str
    scene: str

    def __call__(self) -> SimulatedWorld:
        """Build the world."""
        return SimulatedWorld((self.wrist_px,) * 2, randomization=self.randomization, scene=self.scene)


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything a worker needs besides the actor; a value that can be sent to it.

    Attributes:
        worlds: Makes the worker's world.
        detector: Makes each episode's detector.
        tasks: Task names, in turn.
        targets: Objects looked for, in turn within each task; empty for the tasks' usual ones.
        search: How the skill looks around.
        limits: When an episode ends, and the noise on the motion.
        online: Layout seeds, exploration, workers.
        hidden_only: Pass over layouts whose target is seen from the start.
        intervention: Makes who may take over; None for nobody.
        twist: Chunks, where the actor steers by twists; None where it chooses views.
    """

    worlds: WorldFactory
    detector: DetectorFactory
    tasks: tuple[str, ...]
    targets: tuple[str, ...]
    search: SearchConfig
    limits: RolloutConfig
    online: OnlineConfig
    hidden_only: bool = True
    intervention: InterventionFactory | None = None
    twist: TwistConfig | None = None

    def layouts(self, number: int) -> list[Layout]:
        """Return the layouts that may serve episode `number`, the first usable one is taken; no two episodes share any.

        Raises:
            UsageError: They would leave the training range.
        """
        first = self.online.seed + number * LAYOUTS_PER_EPISODE
        seeds = range(first, first + LAYOUTS_PER_EPISODE)
        if seeds[-1] not in TRAIN_SEEDS:
            raise UsageError(
                f"online: episode {number} needs layouts up to seed {seeds[-1]}; the last one is {TRAIN_SEEDS[-1]}."
            )
        kinds: Sequence[tuple[str, str | None]] = [*itertools.product(self.tasks, self.targets or (None,))]
        task, target = kinds[number % len(kinds)]
        return [Layout(task, seed, target) for seed in seeds]


def simulated_stage(config: TrainConfig, detector: DetectorFactory | None = None) -> Stage:
    """Return the stage that the demonstrations were collected on: the same tasks, limits and detector.

    Args:
        config: The run.
        detector: See `collect.collect`.

    Raises:
        UsageError: The tasks are unknown or of several scenes, the layouts would leave the training range, or an oracle
            or a temperature is asked for, which twists do not have.
    """
    collected, online = config.collect, config.online
    steers = config.action_space == TWIST
    if steers and online.oracle_after:
        raise UsageError("online: oracle_after takes over choices of views; the action space twist has none.")
    if steers and online.temperature != 1.0:
        raise UsageError("online: temperature divides the logits of views; the action space twist has none.")
    scene = scene_of_tasks(collected.tasks, collected.targets)
    stage = Stage(
        worlds=SimulatedWorlds(collected.wrist_px, collected.randomization, scene),
        detector=detector or SegmentationDetector(collected.miss_rate, collected.false_rate),
        tasks=collected.tasks,
        targets=collected.targets,
        search=config.search,
        limits=RolloutConfig(max_steps=collected.max_steps, action_noise=online.action_noise),
        online=online,
        hidden_only=collected.hidden_only,
        intervention=OracleTakeovers(online.oracle_after) if online.oracle_after else None,
        twist=collected.twist if steers else None,
    )
    stage.layouts(max(online.episodes - 1, 0))
    return stage
