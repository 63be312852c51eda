"""The learner's values: exact on a chain, cut at an episode's end, the same whatever the data's origin."""

import dataclasses

import numpy as np
import pytest
import torch
from aawr_fixtures import config_of, learner_of, make_frames, some_frames, source_of

from search_policy.learning.replay import Frames
from search_policy.learning.reward import RewardConfig

DISCOUNT, STEP = 0.9, 0.1
ENDED, CUT = np.array([0, 1, 2, 3]), np.array([4, 5, 0])


def chain(order):
    """An episode that terminates with success, and one cut off in the very state in which the first one began."""
    parts = [(ENDED, True), (CUT, False)][::order]
    state = np.concatenate([states for states, _ in parts])
    lengths = [len(states) for states, _ in parts]
    ends = np.cumsum(lengths) - 2
    terminated, truncated = np.zeros(len(state), dtype=bool), np.zeros(len(state), dtype=bool)
    for end, (_, by_rule) in zip(ends, parts, strict=True):
        terminated[end], truncated[end] = by_rule, not by_rule
    steps = np.array([2, 3, 1, 0, 2, 1, 0] if order > 0 else [2, 1, 0, 2, 3, 1, 0])
    return make_frames(
        lengths, state, np.zeros(len(state), dtype=np.int64), terminated=terminated, truncated=truncated,
        found=terminated, steps=steps,
    )  # fmt: skip


def exact():
    """Q of states 0, 1, 2 (ends in success) and 4, 5 (goes on in state 0), by hand."""

    def spent(steps):
        return -STEP * (1 - DISCOUNT**steps) / (1 - DISCOUNT)

    last = spent(1) + 1.0
    middle = spent(3) + DISCOUNT**3 * last
    first = spent(2) + DISCOUNT**2 * middle
    cut = spent(1) + DISCOUNT * first
    return {0: first, 1: middle, 2: last, 4: spent(2) + DISCOUNT**2 * cut, 5: cut}


@pytest.mark.parametrize("order", [1, -1], ids=["ends first", "cut off first"])
def test_the_learner_finds_the_chains_values(order):
    """A value that leaked over an episode's end, or none after a time-out, would be off by far more than 1e-3."""
    settings = {"discount": DISCOUNT, "expectile": 0.5, "target_update_rate": 0.2, "learning_rate": 1e-2}
    config = config_of(critic=(), reward=RewardConfig(step=STEP), **settings)
    frames = chain(order)
    learner, batch = learner_of(frames, config), source_of(frames, config).everything()
    for _ in range(350):
        learner.update_critic(batch)
    q = learner.critic.q_values(batch.privileged, batch.state, batch.action, batch.hint)
    expected = torch.tensor([exact()[int(i)] for i in batch.state.memory[:, :8].argmax(dim=1)])
    torch.testing.assert_close(q, expected.expand(2, -1), atol=1e-3, rtol=0)
    torch.testing.assert_close(learner.critic.value(batch.privileged, batch.state), expected, atol=1e-3, rtol=0)


def test_a_terminated_decisions_goal_is_its_reward_whatever_comes_next():
    config = config_of(critic=(), discount=DISCOUNT)
    frames = chain(1)
    learner, source = learner_of(frames, config), source_of(frames, config)
    with torch.no_grad():
        learner.target.value_head.bias += 50.0
    goal, batch = learner.goal(source.everything()), source.everything()
    ended = batch.terminated > 0.5
    torch.testing.assert_close(goal[ended], batch.reward[ended])
    assert (goal[~ended] > 10.0).all()


def test_online_and_offline_decisions_have_the_same_goal():
    """The same episodes, from one demonstrations' data set and from a buffer of episodes that came in one by one."""
    from search_policy.online.buffer import extend, join

    config = config_of()
    frames = some_frames()
    buffer = None
    for number in range(8):
        part = frames.select(np.array([number]))
        buffer = extend(buffer, dataclasses.replace(part, episode=np.zeros_like(part.episode)), 10_000)
    learner = learner_of(frames, config)
    offline, online = (learner.goal(source_of(data, config).everything()) for data in (frames, buffer))
    assert torch.equal(offline, online)
    both = join(source_of(frames, config).everything(), source_of(buffer, config).everything())
    torch.testing.assert_close(learner.goal(both), torch.cat([offline, online]))


class TestTargets:
    def test_goals_and_advantages_come_from_the_targets_alone(self):
        config = config_of()
        frames = some_frames()
        learner, batch = learner_of(frames, config), source_of(frames, config).everything()
        before = learner.goal(batch), learner.target_q(batch), learner.advantage(batch, learner.target_q(batch))
        with torch.no_grad():
            for value in learner.critic.parameters():
                value.add_(1.0)
        after = learner.goal(batch), learner.target_q(batch), learner.advantage(batch, learner.target_q(batch))
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))

    def test_every_critic_and_the_value_have_a_target_that_follows(self):
        config = config_of(memory="gru", target_update_rate=0.25)
        frames = some_frames()
        learner, batch = learner_of(frames, config), source_of(frames, config).everything()
        old = {name: value.clone() for name, value in learner.target.named_parameters()}
        learner.update(batch)
        new, source = dict(learner.target.named_parameters()), dict(learner.critic.named_parameters())
        assert {name.split(".")[0] for name in new} == {"recall", "trunks", "heads", "value_head"}
        for name, value in new.items():
            torch.testing.assert_close(value, old[name] + 0.25 * (source[name] - old[name]))
            assert not torch.equal(value, source[name])
            assert not value.requires_grad


@pytest.mark.parametrize("critics", [1, 2, 5])
def test_the_smallest_of_the_ensemble_counts(critics):
    config = config_of(network=dataclasses.replace(config_of().network, critics=critics))
    frames = some_frames()
    learner, batch = learner_of(frames, config), source_of(frames, config).everything()
    every = learner.target.q_values(batch.privileged, batch.state, batch.action, batch.hint)
    assert every.shape == (critics, len(batch.reward))
    torch.testing.assert_close(learner.target_q(batch), every.min(dim=0).values)
    learner.update(batch)


def test_a_chunks_backup_is_the_n_step_backup():
    """A chunk of 3 steps bootstraps with discount^3; one cut short by the episode's end, with what it lasted."""
    frames = some_frames("gaussian", episodes=2)
    frames = dataclasses.replace(
        frames, steps=np.array([3, 3, 2, 0] * 2), terminated=np.zeros(8, dtype=bool), found=np.zeros(8, dtype=bool)
    )
    config = config_of("gaussian", discount=0.5, reward=RewardConfig(step=0.0))
    learner, batch = learner_of(frames, config), source_of(frames, config).everything()
    value = learner.target.value(batch.next_privileged, batch.next_state)
    torch.testing.assert_close(learner.goal(batch), torch.tensor([0.125, 0.125, 0.25] * 2) * value)


def test_bf16_keeps_weights_and_losses_in_single_precision():
    exact_config = config_of("gaussian", "gru")
    config = dataclasses.replace(exact_config, network=dataclasses.replace(exact_config.network, precision="bf16"))
    frames = some_frames("gaussian")
    batch = source_of(frames, config).everything()
    rounded, learner = learner_of(frames, config), learner_of(frames, exact_config)
    torch.testing.assert_close(rounded.target_q(batch), learner.target_q(batch), atol=0.02, rtol=0.02)
    assert not torch.equal(rounded.target_q(batch), learner.target_q(batch))
    assert rounded.target_q(batch).dtype == torch.float32
    assert all(np.isfinite(value) for value in rounded.update(batch).values())
    assert all(value.dtype == torch.float32 for value in rounded.actor.parameters())


class TestWeights:
    def test_beta_divides_the_advantage(self):
        frames = some_frames()
        hot, cold = (learner_of(frames, config_of(beta=beta)) for beta in (2.0, 0.5))
        advantage = torch.tensor([-1.0, 0.0, 1.0])
        torch.testing.assert_close(hot.weigh(advantage, 1.0), torch.exp(advantage / 2.0))
        torch.testing.assert_close(cold.weigh(advantage, 1.0), torch.exp(advantage * 2.0))

    def test_the_indicator_clones_what_was_better_than_expected(self):
        learner = learner_of(some_frames(), config_of(weighting="indicator"))
        assert learner.weigh(torch.tensor([-1.0, 0.0, 1e-3, 9.0]), 5.0).tolist() == [0.0, 0.0, 1.0, 1.0]

    @pytest.mark.parametrize(("weighting", "expected"), [("exp", True), ("indicator", False)])
    def test_metrics_tell_what_the_weighting_does(self, weighting, expected):
        frames = some_frames()
        config = config_of(weighting=weighting, weight_clip=1.5)
        learner = learner_of(frames, config)
        with torch.no_grad():
            batch = source_of(frames, config).everything()
            learner.target.value_head.bias += learner.advantage(batch, learner.target_q(batch)).median()
        metrics = learner.update(source_of(frames, config).everything())
        assert {"entropy", "sample_size", "advantage_scale", "q_loss", "value_loss", "actor_loss"} <= set(metrics)
        assert 0.0 < metrics["sample_size"] <= 1.0
        assert ("clipped" in metrics) == expected
        if expected:
            assert 0.0 < metrics["clipped"] < 1.0

    def test_no_positive_advantage_moves_no_weight_by_regression(self):
        frames = some_frames()
        config = config_of(weighting="indicator", weight_decay=0.0)
        learner = learner_of(frames, config)
        with torch.no_grad():
            learner.target.value_head.bias += 100.0
        before = [value.clone() for value in learner.actor.parameters()]
        metrics = learner.update(source_of(frames, config).everything())
        assert metrics["actor_loss"] == 0.0
        assert all(torch.equal(a, b) for a, b in zip(before, learner.actor.parameters(), strict=True))

    def test_a_persons_decision_counts_more(self):
        frames = some_frames()
        taken = dataclasses.replace(frames, intervention=np.arange(len(frames)) < 2)
        config = config_of(method="bc")
        batches = [source_of(data, config).everything() for data in (frames, taken)]
        assert batches[1].intervention.sum() == 2
        losses = [learner_of(frames, config).update(batch)["actor_loss"] for batch in batches]
        assert losses[1] > losses[0]


def test_frames_of_chunks_know_which_hold_an_action():
    frames = some_frames("gaussian", episodes=2)
    assert isinstance(frames, Frames)
    assert frames.decided.tolist() == [True, True, True, False] * 2
