"""Demonstrations go through a LeRobotDataset on disk and come back unchanged."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "search"))

from search_fixtures import KinematicWorld, perfect_detector

from robots.errors import UsageError
from search_policy.episodes.collect import SEEDS_PER_SHARD, MixtureChooser, collect, scene_of_tasks, shard_layouts
from search_policy.episodes.dataset import COLUMNS, frames_of, load_frames, shards, write_shard
from search_policy.episodes.rollout import Rollout, RolloutConfig
from search_policy.learning.config import CollectConfig
from search_policy.motion.viewpoints import ViewConfig, candidate_views
from search_policy.observations import PRIVILEGED_KEYS
from search_policy.searchers.choosers import RandomChooser
from search_policy.skill import SearchConfig


@pytest.fixture(scope="module")
def recorded():
    rollout = Rollout.build(KinematicWorld(), RandomChooser(), SearchConfig(), RolloutConfig(max_steps=40), seed=0)
    return [rollout.run("bookshelf_duck", seed, perfect_detector) for seed in range(6)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_shard_round_trips(recorded, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path / "home"))
    write_shard(tmp_path / "data/shard-0000", recorded[:3])
    write_shard(tmp_path / "data/shard-0001", recorded[3:])
    assert [path.name for path in shards(tmp_path / "data")] == ["shard-0000", "shard-0001"]
    loaded, direct = load_frames(tmp_path / "data"), frames_of(recorded)
    for field in dataclasses.fields(direct):
        a, b = getattr(loaded, field.name), getattr(direct, field.name)
        assert a.dtype == b.dtype, field.name
        np.testing.assert_array_equal(a, b, err_msg=field.name)


def test_an_unfinished_shard_does_not_count(tmp_path):
    (tmp_path / "shard-0003.part").mkdir()
    assert shards(tmp_path) == []
    with pytest.raises(UsageError, match="no demonstrations"):
        load_frames(tmp_path)


def test_privileged_columns_cannot_become_policy_inputs():
    for key in PRIVILEGED_KEYS:
        assert COLUMNS[key].startswith("privileged.")
    assert not any("privileged" in column for column in COLUMNS.values() if column.startswith("observation"))


def shelf_of(layout):
    return None if layout.seed % 7 == 0 else (0 if layout.seed % 5 else layout.seed // 5 % 3)


def test_demonstrations_are_balanced_over_tasks_and_shelves():
    config = CollectConfig(episodes=100, shard_episodes=60)
    layouts = list(shard_layouts(config, 0, shelf_of))
    for task in config.tasks:
        chosen = [layout for layout in layouts if layout.task == task]
        assert len(set(chosen)) == len(chosen) == 30
        shelves = [shelf_of(layout) for layout in chosen]
        assert [shelves.count(shelf) for shelf in range(3)] == [10, 10, 10]


def test_targets_take_turns_within_each_task():
    config = CollectConfig(episodes=40, shard_episodes=40, targets=("duck", "mug"))
    kinds = [(layout.task, layout.target) for layout in shard_layouts(config, 0, shelf_of)]
    assert kinds[:4] == [(task, target) for task in config.tasks for target in ("duck", "mug")]
    assert {kinds.count(kind) for kind in kinds} == {10}


def test_a_compartment_without_targets_has_no_turn_and_one_that_runs_out_loses_its_turns():
    config = CollectConfig(tasks=("shelf_cabinet",), episodes=40, shard_episodes=40)
    places = [layout.seed for layout in shard_layouts(config, 0, lambda layout: 5 if layout.seed in (3, 8) else 7)]
    assert places[:5] == [3, 0, 8, 1, 2]
    assert len(set(places)) == 40


def test_layouts_that_the_slower_check_refuses_are_left_out():
    config = CollectConfig(tasks=("shelf_cabinet",), episodes=30, shard_episodes=30)
    layouts = list(shard_layouts(config, 0, shelf_of, lambda layout: layout.seed % 2 == 0))
    assert len(layouts) == 30
    assert all(layout.seed % 2 == 0 for layout in layouts)


def test_shards_share_no_layout_and_the_last_one_may_be_short():
    config = CollectConfig(episodes=100, shard_episodes=60)
    first, second = (list(shard_layouts(config, shard, shelf_of)) for shard in (0, 1))
    assert not set(first) & set(second)
    assert (len(first), len(second)) == (60, 40)


def test_demonstrations_never_leave_the_training_seeds():
    with pytest.raises(UsageError, match="99999"):
        list(shard_layouts(CollectConfig(seed=100_000 - SEEDS_PER_SHARD + 1), 0, shelf_of))


def test_a_shard_without_enough_layouts_is_refused():
    with pytest.raises(UsageError, match="too few"):
        list(shard_layouts(CollectConfig(), 0, lambda layout: 0 if layout.seed < 10 else None))


def test_tasks_of_one_run_share_a_scene(tmp_path):
    assert scene_of_tasks(("shelf_cabinet", "closed_cabinet")) == "cabinet"
    with pytest.raises(UsageError, match="must share one scene, but bookshelf_duck in bookcase, complex in complex"):
        collect(CollectConfig(tasks=("bookshelf_duck", "complex")), SearchConfig(), tmp_path / "data")
    with pytest.raises(UsageError, match="duk"):
        scene_of_tasks(("complex",), ("duk",))
    assert not (tmp_path / "data").exists()


def test_the_mixture_draws_every_searcher():
    views = candidate_views(KinematicWorld.region, ViewConfig())
    chooser = MixtureChooser(views, (0.45, 0.45, 0.1))
    rng, drawn = np.random.default_rng(0), set()
    for _ in range(60):
        chooser.reset(rng)
        drawn.add(type(chooser._chosen).__name__)
    assert drawn == {"RandomChooser", "CoverageChooser", "SweepChooser"}
