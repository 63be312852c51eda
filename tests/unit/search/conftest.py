import pathlib
import sys

import pytest
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from search_fixtures import KinematicWorld, perfect_detector

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def episodes():
    """Demonstrations in the kinematic world: 24 layouts, random order."""
    from search_policy.episodes.rollout import Rollout, RolloutConfig
    from search_policy.searchers.choosers import RandomChooser
    from search_policy.skill import SearchConfig

    rollout = Rollout.build(KinematicWorld(), RandomChooser(), SearchConfig(), RolloutConfig(max_steps=250), seed=0)
    return [rollout.run("bookshelf_duck", seed, perfect_detector) for seed in range(24)]


@pytest.fixture(scope="session")
def frames(episodes):
    from search_policy.episodes.dataset import frames_of

    return frames_of(episodes)
