import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from search_fixtures import KinematicWorld, perfect_detector

from robots.curves import read_curves
from robots.errors import SpecError, UsageError
from robots.types import Privileged
from search_policy.baselines.config import PpoConfig, SacConfig, WorldConfig
from search_policy.baselines.losses import clipped_surrogate, generalized_advantage, soft_value, temperature_loss
from search_policy.baselines.run import Run
from search_policy.baselines.simulation import SearchEpisodes
from search_policy.baselines.toy import AHEAD, LEFT, RIGHT, Line, TMaze
from search_policy.baselines.training import train_baseline
from search_policy.learning.config import NetworkConfig
from search_policy.searchers.choosers import PolicyChooser, RandomChooser
from search_policy.twist.config import TwistConfig

NARROW = NetworkConfig(embedding=4, actor=32, critic=32)
TOY = {
    "network": NARROW,
    "warmup_decisions": 12,
    "pretrain_updates": 0,
    "learning_rate": 3e-3,
    "decisions": 600,
}
FAST_PPO = {**TOY, "batch_decisions": 60, "epochs": 4}
FAST_SAC = {**TOY, "batch_size": 32, "updates_per_decision": 1, "decisions": 450, "target_update_rate": 0.05}


def ppo(**changes):
    return PpoConfig(**{**FAST_PPO, **changes})


def sac(**changes):
    return SacConfig(**{**FAST_SAC, **changes})


def chunks(**changes):
    return {"action_space": "twist", "twist": TwistConfig(horizon=2), **changes}


def trained(config, env):
    torch.set_num_threads(1)
    run = Run(config, env)
    while run.decisions < config.decisions:
        run.iterate()
    run.actor.eval()
    return run


def greedy(actor):
    def choose(state):
        with torch.no_grad():
            action = actor.act(actor.embed(state), greedy=True)[0]
        return int(action) if action.ndim == 0 else action.numpy()

    return choose


def last_rewards(env, choose, seeds=range(90_000, 90_020)):
    return [list(env.episode("toy", seed, choose))[-1].reward for seed in seeds]


@pytest.mark.parametrize("config", [ppo(), sac()], ids=["ppo", "sac"])
def test_the_maze_is_solved(config):
    env = TMaze()
    run = trained(config, env)
    choose = greedy(run.actor)
    assert all(list(env.episode("toy", seed, choose))[-1].found for seed in range(90_000, 90_040))


@pytest.mark.parametrize(
    "config",
    [ppo(**chunks(decisions=2400, batch_decisions=120, entropy=0.0)), sac(**chunks(decisions=700))],
    ids=["ppo", "sac"],
)
def test_the_line_is_driven_to_the_target(config):
    env = Line()
    run = trained(config, env)
    resting = np.mean(last_rewards(env, lambda state: np.zeros((2, 5), dtype=np.float32)))
    assert resting == pytest.approx(-0.8)
    assert np.mean(last_rewards(env, greedy(run.actor))) > -0.2


class Poisoned:
    """An environment whose privileged values are not numbers."""

    def __init__(self, env):
        self.env = env

    def start(self, task, seed):
        state, privileged = self.env.start(task, seed)
        return state, poison(privileged)

    def episode(self, task, seed, choose):
        for lived in self.env.episode(task, seed, choose):
            changes = {"privileged": poison(lived.privileged), "next_privileged": poison(lived.next_privileged)}
            yield dataclasses.replace(lived, **changes)

    def close(self):
        pass


def poison(privileged):
    return Privileged({key: np.full_like(value, np.nan) for key, value in privileged.values.items()})


@pytest.mark.parametrize("config", [ppo(), sac()], ids=["ppo", "sac"])
def test_privileged_values_do_not_reach_the_actor(config):
    clean, poisoned = Run(config, TMaze()), Run(config, Poisoned(TMaze()))
    taken = []
    for run in (clean, poisoned):
        torch.manual_seed(3)
        taken.append([lived.action for _ in range(20) for lived in run.episode(run.choose)])
    assert taken[0] == taken[1]
    assert len(set(taken[0])) == 3


@pytest.mark.parametrize("config", [ppo(), sac()], ids=["ppo", "sac"])
def test_the_critic_does_see_privileged_values(config):
    run = Run(config, TMaze())
    batch = run._embedder.experience(next(run.episode(run.choose)))
    critic = run._learner.value if isinstance(config, PpoConfig) else run._learner.critic
    here = critic(batch.privileged, batch.state)
    assert not torch.equal(here, critic(batch.privileged + 1.0, batch.state))
    (here.sum()).backward()
    assert all(value.grad is None for value in run.actor.parameters())


def test_a_symmetric_critic_has_no_privileged_input():
    run = Run(sac(critic=()), TMaze())
    assert run._embedder.experience(next(run.episode(run.choose))).privileged.shape == (1, 0)
    trained(sac(critic=(), decisions=30), TMaze())


@pytest.mark.parametrize("config", [ppo(), sac()], ids=["ppo", "sac"])
def test_masked_views_are_never_chosen_and_get_no_weight(config):
    run = Run(config, TMaze())
    for _ in range(100):
        for lived in run.episode(run.choose):  # the maze refuses ways that are not open
            assert lived.state.mask[lived.action]
    batch = run._embedder.experience(lived)
    assert run.actor.log_probabilities(batch.state).exp()[0, AHEAD] == 0.0
    value = soft_value(run.actor.log_probabilities(batch.state), torch.tensor([[1e6, 0.0, 0.0]]), torch.zeros(()))
    assert value.item() == 0.0


def test_the_maze_refuses_a_wall():
    with pytest.raises(SpecError, match="not open"):
        list(TMaze().episode("toy", 0, lambda state: LEFT))


def test_the_maze_is_cut_off_when_patience_ends():
    lived = list(TMaze(patience=1).episode("toy", 0, lambda state: AHEAD))
    assert len(lived) == 1
    assert lived[0].truncated
    assert not lived[0].terminated


class TestEquations:
    def test_advantages_are_those_of_a_chain_worked_out_by_hand(self):
        difference, duration = torch.tensor([1.0, 2.0, 4.0, 8.0]), torch.tensor([2.0, 3.0, 1.0, 5.0])
        ended = torch.tensor([0.0, 1.0, 0.0, 1.0])
        found = generalized_advantage(difference, duration, ended, 0.9, 0.5)
        expected = [1.0 + 0.9**2 * 0.5 * 2.0, 2.0, 4.0 + 0.9 * 0.5 * 8.0, 8.0]
        torch.testing.assert_close(found, torch.tensor(expected))

    @given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.05, 0.5))
    def test_the_surrogate_does_not_reward_leaving_the_trusted_range(self, moved, advantage, clip):
        ratio = math.exp(moved)
        loss = clipped_surrogate(torch.tensor([moved]), torch.zeros(1), torch.tensor([advantage]), clip)
        expected = -min(ratio * advantage, min(max(ratio, 1 - clip), 1 + clip) * advantage)
        assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)

    @given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.floats(0.01, 2))
    def test_the_soft_value_is_largest_at_the_boltzmann_policy(self, q_values, temperature):
        q, alpha = torch.tensor([q_values]), torch.tensor(temperature)
        best = torch.log_softmax(q / alpha, dim=1)
        value = soft_value(best, q, alpha)
        torch.testing.assert_close(value, alpha * torch.logsumexp(q / alpha, dim=1), rtol=1e-3, atol=1e-3)
        assert value + 1e-3 >= soft_value(torch.log_softmax(q, dim=1), q, alpha)

    def test_too_little_entropy_raises_the_temperature(self):
        log_temperature = torch.zeros((), requires_grad=True)
        temperature_loss(log_temperature, torch.tensor([0.1]), torch.tensor([0.5])).backward()
        assert log_temperature.grad < 0.0


@pytest.mark.parametrize(
    "config", [ppo(decisions=150, keep=9), sac(decisions=60, keep=30, capacity=25)], ids=["ppo", "sac"]
)
def test_a_run_that_was_killed_ends_like_one_that_was_not(config, tmp_path):
    def ended(folder, config):
        actor = train_baseline(dataclasses.replace(config, out=str(tmp_path / folder)), lambda _: TMaze())
        return (actor / "actor.safetensors").read_bytes(), read_curves(tmp_path / folder)

    whole, curves = ended("whole", config)

    class Killed(TMaze):
        left = config.decisions // 2

        def episode(self, task, seed, choose):
            for lived in super().episode(task, seed, choose):
                self.left -= 1
                if not self.left:
                    raise KeyboardInterrupt
                yield lived

    out = str(tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        train_baseline(dataclasses.replace(config, out=out), lambda _: Killed())
    again, curves_again = ended("killed", config)
    assert again == whole
    assert curves_again == curves


def test_the_exported_actor_is_loaded_like_any_other(tmp_path):
    folder = train_baseline(sac(decisions=20, out=str(tmp_path / "run")), lambda _: TMaze())
    chooser = PolicyChooser.load(folder, greedy=True)
    state, _ = TMaze().start("toy", 0)
    assert PolicyChooser.load(folder).probabilities(state).shape == (3,)
    assert chooser is not None
    with pytest.raises(UsageError, match="another configuration"):
        train_baseline(sac(decisions=21, out=str(tmp_path / "run")), lambda _: TMaze())


class TestSearchEpisodes:
    def test_its_decisions_are_those_of_a_rollout(self, episodes, frames):
        config = ppo(world=WorldConfig(max_steps=250))
        env = SearchEpisodes(KinematicWorld(), config, perfect_detector)
        chooser = RandomChooser()
        chooser.reset(np.random.default_rng(0))
        lived = list(env.episode("bookshelf_duck", 3, chooser.choose))
        assert all(one.next_state is after.state for one, after in itertools.pairwise(lived))
        assert [one.ended for one in lived] == [False] * (len(lived) - 1) + [True]
        assert sum(one.duration for one in lived) <= 250
        assert lived[-1].found == (lived[-1].reward > 0.5)
        assert all(one.reward < 0.0 for one in lived[:-1])

    def test_a_detour_over_the_data_set_gives_the_same_rewards(self, episodes):
        from search_policy.episodes.dataset import frames_of
        from search_policy.episodes.rollout import RolloutConfig
        from search_policy.learning.replay import transitions

        config = ppo(world=WorldConfig(max_steps=250))
        env = SearchEpisodes(KinematicWorld(), config, perfect_detector)
        assert RolloutConfig(max_steps=250) == env._rollout._config
        recorded = env._rollout
        env._caller.policy = lambda state: int(np.flatnonzero(state.mask)[-1])
        episode = recorded.run("bookshelf_duck", 5, perfect_detector)
        expected = transitions(frames_of([episode]), config.reward, config.discount).reward
        lived = list(env.episode("bookshelf_duck", 5, env._caller.policy))
        np.testing.assert_allclose([one.reward for one in lived], expected, rtol=1e-5)

    @pytest.mark.parametrize("space", ["viewpoint", "twist"])
    def test_a_few_decisions_of_training_run_in_it(self, space, tmp_path):
        network = NetworkConfig(embedding=4, actor=16, critic=16)
        config = sac(
            decisions=12,
            warmup_decisions=4,
            pretrain_updates=1,
            pretrain_batch=4,
            network=network,
            action_space=space,
            out=str(tmp_path),
            world=WorldConfig(max_steps=30),
        )
        folder = train_baseline(config, lambda c: SearchEpisodes(KinematicWorld(), c, perfect_detector))
        assert (folder / "config.json").is_file()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "a2c"}, "baseline"),
        ({"action_space": "joint"}, "action space"),
        ({"discount": 1.5}, "discount"),
        ({"critic": ("target_pose",)}, "target_position"),
    ],
)
def test_what_cannot_be_trained_is_refused(changes, told):
    with pytest.raises(UsageError, match=told):
        ppo(**changes).groups  # noqa: B018


def test_only_training_layouts_are_lived_in():
    with pytest.raises(UsageError, match="training layout"):
        WorldConfig(seed=100_000)
    run = Run(ppo(world=WorldConfig(seed=99_999)), TMaze())
    list(run.episode(run.choose))
    with pytest.raises(UsageError, match="99999"):
        next(run.episode(run.choose))


def test_the_sides_are_told_apart():
    assert {TMaze().start("toy", seed)[1].values["views_with_target"].argmax() for seed in range(9)} == {LEFT, RIGHT}
