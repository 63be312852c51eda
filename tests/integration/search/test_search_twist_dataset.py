"""Chunks of twists go through a LeRobotDataset and come back unchanged; what does not fit is refused by name."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "search"))

from search_fixtures import KinematicWorld, perfect_detector

from robots.errors import UsageError
from search_policy.episodes.dataset import FACTS, action_space_of, frames_of, load_frames, write_shard
from search_policy.episodes.rollout import RolloutConfig
from search_policy.searchers.choosers import RandomChooser
from search_policy.skill import SearchConfig
from search_policy.twist.config import TwistConfig
from search_policy.twist.demonstrations import demonstrating


@pytest.fixture(scope="module")
def recorded():
    rollout = demonstrating(
        KinematicWorld(), RandomChooser(), SearchConfig(), RolloutConfig(max_steps=40), TwistConfig(), seed=0
    )
    return [rollout.run("bookshelf_duck", seed, perfect_detector) for seed in range(4)]


@pytest.fixture(scope="module")
def root(recorded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("twists")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_LEROBOT_HOME", str(folder / "home"))
        write_shard(folder / "data/shard-0000", recorded)
    return folder / "data"


def test_chunks_round_trip(recorded, root):
    loaded, direct = load_frames(root, "twist"), frames_of(recorded)
    assert action_space_of(root / "shard-0000") == "twist"
    for field in dataclasses.fields(direct):
        a, b = getattr(loaded, field.name), getattr(direct, field.name)
        assert a.dtype == b.dtype, field.name
        np.testing.assert_array_equal(a, b, err_msg=field.name)


def test_a_viewpoint_trainer_refuses_chunks_by_name(root):
    with pytest.raises(UsageError, match=r"column 'action' holds chunks of twists.*viewpoint needs views, int64"):
        load_frames(root, "viewpoint")


@pytest.fixture
def described(tmp_path):
    """A shard of which only the description exists."""

    def make(facts, action):
        (tmp_path / "meta").mkdir(parents=True)
        if facts is not None:
            (tmp_path / FACTS).write_text(facts)
        (tmp_path / "meta/info.json").write_text(json.dumps({"features": {"action": action}}))
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ({"dtype": "int64", "shape": [1]}, r"int64 \(1,\)"),
        ({"dtype": "float32", "shape": [5, 6]}, r"float32 \(5, 6\)"),
        ({"dtype": "float64", "shape": [5, 5]}, r"float64 \(5, 5\)"),
        ({}, "None"),
    ],
)
def test_a_mistyped_column_is_refused_with_what_was_expected(described, action, said):
    with pytest.raises(UsageError, match=rf"column 'action' holds {said}.*twist needs .*float32 \(h, 5\)"):
        action_space_of(described('{"action_space": "twist"}', action))


def test_shards_without_facts_hold_views(described):
    assert action_space_of(described(None, {"dtype": "int64", "shape": [1]})) == "viewpoint"


@pytest.mark.parametrize("facts", ["{", "[]", '{"action_space": "twists"}'])
def test_damaged_facts_are_refused(described, facts):
    with pytest.raises(UsageError, match=r"search\.json"):
        action_space_of(described(facts, {"dtype": "int64", "shape": [1]}))
