"""A stage in the kinematic world, and an actor for it: online episodes without MuJoCo."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "search"))

import torch
from search_fixtures import KinematicWorld, perfect_detector

from search_policy.episodes.dataset import frames_of
from search_policy.episodes.rollout import Rollout, RolloutConfig
from search_policy.online.config import OnlineConfig
from search_policy.online.stage import Stage
from search_policy.online.worker import EpisodeWorker
from search_policy.searchers.choosers import RandomChooser
from search_policy.skill import SearchConfig

MAX_STEPS = 80


def kinematic_stage(online=None, **values):
    """Return a stage of short episodes in the kinematic world."""
    return Stage(
        worlds=KinematicWorld,
        detector=perfect_detector,
        tasks=("bookshelf_duck",),
        targets=(),
        search=SearchConfig(),
        limits=RolloutConfig(max_steps=MAX_STEPS, action_noise=0.05),
        online=online or OnlineConfig(episodes=6, episodes_per_round=3, workers=1),
        **values,
    )


def demonstrations(count=12):
    """Return frames of demonstrations in random order."""
    limits = RolloutConfig(max_steps=120)
    rollout = Rollout.build(KinematicWorld(), RandomChooser(), SearchConfig(), limits, seed=0)
    return frames_of([rollout.run("bookshelf_duck", seed, perfect_detector) for seed in range(count)])


class LocalEngine:
    """Runs episodes in this process, the last one first; `dies_after` of them it is gone, as if killed."""

    def __init__(self, stage, dies_after=None):
        self._worker, self._left = EpisodeWorker(stage), dies_after

    def run(self, numbers, actor):
        for number in reversed(numbers):
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    raise KeyboardInterrupt
            yield number, self._worker.run(number, actor)

    def close(self):
        pass


def save_random_actor(folder, frames, seed=0):
    """Write an untrained actor that fits these frames."""
    from search_policy.learning.batches import input_sizes
    from search_policy.learning.checkpoint import save_actor
    from search_policy.learning.config import NetworkConfig
    from search_policy.learning.networks import Actor, ActorSpec
    from search_policy.observations import ObsGroups

    torch.manual_seed(seed)
    save_actor(Actor(ActorSpec(input_sizes(frames, ObsGroups()), NetworkConfig())), folder, {})


def same_episodes(first, second):
    """Whether two episodes are equal to the last bit."""
    a, b = frames_of([first]), frames_of([second])
    return (first.seed, first.found, first.steps) == (second.seed, second.found, second.steps) and all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in ("image", "seen_map", "views", "action")
    )
