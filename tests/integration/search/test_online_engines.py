"""The same episodes whoever runs them: in this process, in one or two worker processes, on a Ray cluster."""

import dataclasses
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from online_fixtures import LocalEngine, demonstrations, kinematic_stage, same_episodes, save_random_actor

from robots.errors import CheckpointError, UsageError
from search_policy.online.config import OnlineConfig
from search_policy.online.engines import ProcessEngine, engine_of
from search_policy.online.interventions import OracleTakeovers
from search_policy.online.stage import LAYOUTS_PER_EPISODE
from search_policy.online.worker import EpisodeWorker, read_actor


@pytest.fixture(scope="module")
def actor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("actor")
    save_random_actor(folder, demonstrations(4))
    return read_actor(folder)


@pytest.fixture(scope="module")
def episodes(actor):
    return dict(LocalEngine(kinematic_stage()).run(range(4), actor))


def outcomes(engine, actor):
    try:
        return dict(engine.run(range(4), actor))
    finally:
        engine.close()


def test_an_episode_depends_on_its_number_and_actor_alone(episodes, actor):
    worker = EpisodeWorker(kinematic_stage())
    for number in (2, 0, 2):
        assert same_episodes(worker.run(number, actor), episodes[number])
    assert not same_episodes(episodes[0], episodes[1])


def test_episodes_share_no_layouts_and_pass_over_targets_that_are_in_sight(actor):
    stage = kinematic_stage()
    seeds = [layout.seed for number in range(3) for layout in stage.layouts(number)]
    assert len(set(seeds)) == 3 * LAYOUTS_PER_EPISODE
    world, episode = stage.worlds(), EpisodeWorker(stage).run(1, actor)
    world.reset("bookshelf_duck", episode.seed)
    assert world.truth().visible_px == 0


def test_layouts_never_leave_the_training_seeds():
    with pytest.raises(UsageError, match="99999"):
        kinematic_stage(OnlineConfig(episodes=10, seed=99_990)).layouts(0)


def test_a_world_that_knows_its_own_targets_only_says_so(actor):
    stage = dataclasses.replace(kinematic_stage(), targets=("mug",))
    with pytest.raises(UsageError, match="look for 'mug'"):
        EpisodeWorker(stage).run(0, actor)


def test_a_damaged_actor_is_refused(actor):
    spoiled = {**actor, "actor.safetensors": actor["actor.safetensors"][:-1] + b"?"}
    with pytest.raises(CheckpointError, match="damaged"):
        EpisodeWorker(kinematic_stage()).run(0, spoiled)


def test_a_stage_with_an_oracle_marks_what_it_took(actor):
    stage = kinematic_stage(intervention=OracleTakeovers(1))
    flags = [[record.intervened for record in EpisodeWorker(stage).run(n, actor).decisions] for n in range(3)]
    assert all(not row[0] and not row[-1] and all(row[1:-1]) for row in flags)
    assert any(any(row) for row in flags)


@pytest.mark.slow
def test_two_worker_processes_give_the_same_episodes(episodes, actor):
    found = outcomes(ProcessEngine(kinematic_stage(OnlineConfig(episodes=4, workers=2))), actor)
    assert sorted(found) == sorted(episodes)
    assert all(same_episodes(found[number], episodes[number]) for number in episodes)


@pytest.mark.slow
def test_a_ray_cluster_of_two_nodes_gives_the_same_episodes(episodes, actor, monkeypatch):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # the nodes' workers import this test's own world
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        config = OnlineConfig(episodes=4, workers=2, engine="ray", address=cluster.address)
        found = outcomes(engine_of(kinematic_stage(config)), actor)
        assert not ray.is_initialized()
        with pytest.raises(UsageError, match="3 workers need as many cores; the Ray cluster has 2"):
            engine_of(kinematic_stage(dataclasses.replace(config, workers=3)))
        assert not ray.is_initialized()
    finally:
        cluster.shutdown()
    assert sorted(found) == sorted(episodes)
    assert all(same_episodes(found[number], episodes[number]) for number in episodes)
