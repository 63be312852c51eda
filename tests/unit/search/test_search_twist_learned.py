"""A trained actor of chunks at work, and what it refuses."""

import numpy as np
import pytest
from search_fixtures import INTRINSICS, REGION, KinematicWorld, perfect_detector

from robots.errors import CheckpointError, UsageError
from search_policy.episodes.rollout import RolloutConfig
from search_policy.learning.batches import input_sizes
from search_policy.learning.checkpoint import save_actor
from search_policy.learning.config import TrainConfig
from search_policy.learning.networks import Actor, ActorSpec
from search_policy.learning.recall.config import MemoryConfig
from search_policy.learning.trainer import train_on
from search_policy.online.config import OnlineConfig
from search_policy.online.stage import Stage, simulated_stage
from search_policy.online.worker import EpisodeWorker, read_actor
from search_policy.searchers.choosers import RandomChooser
from search_policy.searchers.methods import find_method
from search_policy.skill import SearchConfig
from search_policy.twist.config import TwistConfig
from search_policy.twist.demonstrations import demonstrating
from search_policy.twist.deploy import rollout_for
from search_policy.twist.learned import TwistPolicy
from search_policy.twist.skill import TwistSkill


@pytest.fixture(scope="module")
def demonstrations():
    from search_policy.episodes.dataset import frames_of

    limits = RolloutConfig(max_steps=80)
    rollout = demonstrating(KinematicWorld(), RandomChooser(), SearchConfig(), limits, TwistConfig(), seed=0)
    return frames_of([rollout.run("bookshelf_duck", seed, perfect_detector) for seed in range(6)])


def actor_of(frames, head="gaussian", memory="none"):
    spec = ActorSpec(input_sizes(frames, TrainConfig().groups), head=head, recall=MemoryConfig(kind=memory))
    return Actor(spec).eval()


@pytest.mark.parametrize("head", ["gaussian", "mixture", "flow"])
def test_every_head_steers_a_search(demonstrations, head, tmp_path):
    save_actor(actor_of(demonstrations, head, "window"), tmp_path, {"action_space": "twist"})
    rollout = rollout_for(KinematicWorld(), tmp_path, rollout=RolloutConfig(max_steps=30), seed=3, greedy=False)
    first = rollout.run("bookshelf_duck", 0, perfect_detector)
    assert all(np.abs(record.action).max() <= 1.0 for record in first.decisions[:-1])
    again = rollout_for(KinematicWorld(), tmp_path, rollout=RolloutConfig(max_steps=30), seed=3, greedy=False)
    for a, b in zip(first.decisions, again.run("bookshelf_duck", 0, perfect_detector).decisions, strict=True):
        np.testing.assert_array_equal(a.state.proprioception, b.state.proprioception)


def test_a_policy_that_remembers_forgets_between_episodes(demonstrations):
    skill = TwistSkill(TwistPolicy(actor_of(demonstrations, memory="gru")), REGION, INTRINSICS)
    policy, world = skill._policy, KinematicWorld()
    state = skill.state(world.observe())
    policy.reset(np.random.default_rng(0))
    first, second = policy.choose(state), policy.choose(state)
    assert not np.allclose(first, second)
    policy.reset(np.random.default_rng(0))
    np.testing.assert_array_equal(policy.choose(state), first)


def test_an_actor_of_views_is_refused(frames, tmp_path):
    save_actor(Actor(ActorSpec(input_sizes(frames, TrainConfig().groups))), tmp_path, {})
    with pytest.raises(CheckpointError, match="this one chooses views"):
        TwistPolicy.load(tmp_path)


def test_an_actor_of_other_furniture_is_refused(demonstrations):
    policy = TwistPolicy(actor_of(demonstrations))
    state = TwistSkill(policy, REGION, INTRINSICS).state(KinematicWorld().observe())
    policy.reset(np.random.default_rng(0))
    other = type(state)(state.image, state.proprioception[:-1], state.seen_map, state.views, state.mask)
    with pytest.raises(CheckpointError, match="trained on agent states of sizes"):
        policy.choose(other)


@pytest.mark.parametrize("method", ["aawr", "bc"])
def test_training_on_chunks_exports_a_twist_policy(demonstrations, method, tmp_path):
    config = TrainConfig(
        method=method,
        action_space="twist",
        head="gaussian",
        out=str(tmp_path),
        pretrain_updates=1,
        updates=3,
        batch_size=16,
        pretrain_batch=8,
    )
    assert TwistPolicy.load(train_on(config, demonstrations)).horizon == 5


def test_a_viewpoint_run_refuses_chunks_and_a_twist_run_views(demonstrations, frames, tmp_path):
    with pytest.raises(UsageError, match="viewpoint, but the demonstrations' actions are chunks"):
        train_on(TrainConfig(out=str(tmp_path / "a")), demonstrations)
    with pytest.raises(UsageError, match="twist, but the demonstrations' actions are views"):
        train_on(TrainConfig(action_space="twist", head="gaussian", out=str(tmp_path / "b")), frames)


def test_the_method_has_a_name():
    assert find_method("twist") == "twist"
    with pytest.raises(UsageError, match="twist"):
        find_method("twists")


def test_online_episodes_record_chunks(demonstrations, tmp_path):
    save_actor(actor_of(demonstrations), tmp_path, {"action_space": "twist"})
    stage = Stage(
        worlds=KinematicWorld,
        detector=perfect_detector,
        tasks=("bookshelf_duck",),
        targets=(),
        search=SearchConfig(),
        limits=RolloutConfig(max_steps=20, action_noise=0.1),
        online=OnlineConfig(),
        hidden_only=False,
        twist=TwistConfig(),
    )
    episode = EpisodeWorker(stage).run(0, read_actor(tmp_path))
    assert episode.task == "bookshelf_duck"
    assert all(record.action.shape == (5, 5) for record in episode.decisions[:-1])


def test_an_oracle_cannot_take_over_from_twists():
    online = OnlineConfig(oracle_after=3)
    with pytest.raises(UsageError, match="the action space twist has none"):
        simulated_stage(TrainConfig(action_space="twist", head="gaussian", online=online))


def test_a_temperature_is_refused_for_twists_and_taken_for_views():
    online = OnlineConfig(temperature=2.0)
    with pytest.raises(UsageError, match="temperature divides the logits of views; the action space twist has none"):
        simulated_stage(TrainConfig(action_space="twist", head="gaussian", online=online))
    assert simulated_stage(TrainConfig(online=online)).online.temperature == 2.0
