import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robots.errors import UsageError
from search_policy.learning.aawr import Learner, RunningScale
from search_policy.learning.batches import DecisionSource, input_sizes
from search_policy.learning.config import TrainConfig
from search_policy.learning.diagnostics import rank_correlations, spearman
from search_policy.learning.losses import (
    advantage_weights,
    bootstrapped_return,
    effective_sample_size,
    expectile_value_loss,
    td_loss,
    weighted_regression_loss,
)
from search_policy.learning.networks import ActorSpec
from search_policy.learning.replay import NO_ACTION, Frames, split_episodes, transitions
from search_policy.learning.reward import DecisionOutcome, RewardConfig, reward_terms
from search_policy.learning.trainer import train_on
from search_policy.observations import PRIVILEGED_KEYS

SMALL = {
    "updates": 6,
    "pretrain_updates": 4,
    "batch_size": 16,
    "pretrain_batch": 8,
    "log_every": 2,
    "checkpoint_every": 3,
}


def small(out, **changes):
    return TrainConfig(out=str(out), **{**SMALL, **changes})


def source_of(frames, config):
    embedding = torch.zeros(len(frames), config.network.embedding)
    return DecisionSource(frames, transitions(frames, config.reward, config.discount), embedding, config.groups)


def learner_of(frames, config):
    torch.manual_seed(0)
    return Learner(config, ActorSpec(input_sizes(frames, config.groups), config.network))


class TestChain:
    """Three states in a row; each decision lasts its own number of steps, the last one ends the episode with 1."""

    DISCOUNT = 0.9
    DURATION = torch.tensor([2.0, 3.0, 1.0])
    REWARD = torch.tensor([-0.1, -0.2, 1.0])

    def solve(self, terminated):
        q = torch.zeros(1, 3, requires_grad=True)
        v = torch.zeros(4, requires_grad=True)
        optimizer = torch.optim.Adam([q, v], lr=0.03)
        for _ in range(1500):
            with torch.no_grad():
                goal = bootstrapped_return(self.REWARD, v[1:], terminated, self.DURATION, self.DISCOUNT)
            loss = td_loss(q, goal) + expectile_value_loss(q[0].detach(), v[:3], 0.5) + (v[3] - 7.0).square()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return q.detach()[0]

    def test_values_are_exact_and_a_terminated_episode_does_not_bootstrap(self):
        q2 = 1.0
        q1 = -0.2 + 0.9**3 * q2
        expected = torch.tensor([-0.1 + 0.9**2 * q1, q1, q2])
        torch.testing.assert_close(self.solve(torch.tensor([0.0, 0.0, 1.0])), expected, atol=1e-3, rtol=0)

    def test_a_truncated_episode_bootstraps_from_its_last_frame(self):
        assert self.solve(torch.zeros(3))[2] == pytest.approx(1.0 + 0.9 * 7.0, abs=1e-3)


def test_expectile_of_samples():
    samples = torch.tensor([0.0, 0.0, 0.0, 1.0])
    v = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([v], lr=0.5)
    for _ in range(500):
        optimizer.zero_grad()
        expectile_value_loss(samples, v.expand(4), 0.8).backward()
        optimizer.step()
    assert v.item() == pytest.approx(0.8 / (0.8 + 3 * 0.2), abs=1e-3)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=20), st.floats(0.1, 3), st.floats(0.1, 3))
def test_weights_are_monotone_bounded_and_scale_free(values, beta, scale):
    advantage = torch.tensor(sorted(values))
    weight = advantage_weights(advantage, scale, beta, 20.0)
    assert (weight[1:] >= weight[:-1]).all()
    assert weight.max() <= 20.0
    torch.testing.assert_close(weight, advantage_weights(advantage * 3, scale * 3, beta, 20.0), rtol=1e-4, atol=1e-5)


def test_weights_carry_no_gradient():
    weight = torch.tensor([2.0], requires_grad=True)
    log_probability = torch.tensor([-1.0], requires_grad=True)
    weighted_regression_loss(log_probability, weight).backward()
    assert weight.grad is None
    assert log_probability.grad.item() == -2.0


def test_effective_sample_size():
    assert effective_sample_size(torch.ones(8)).item() == pytest.approx(1.0)
    assert effective_sample_size(torch.tensor([1.0, 0, 0, 0])).item() == pytest.approx(0.25)


def test_the_running_scale_is_exact_at_once_and_follows():
    scale = RunningScale()
    assert scale.value == 1.0
    batch = torch.tensor([-2.0, 2.0])
    assert scale.update(batch) == pytest.approx(2.0)
    for _ in range(2000):
        scale.update(batch * 3)
    assert scale.value == pytest.approx(6.0, rel=1e-3)


def test_success_dominates_and_steps_cost():
    config = RewardConfig()
    quick = sum(reward_terms(DecisionOutcome(10, True, 0.1, 0), config, 0.995).values())
    slow = sum(reward_terms(DecisionOutcome(100, True, 0.1, 0), config, 0.995).values())
    never = sum(reward_terms(DecisionOutcome(400, False, 1.0, 0), config, 0.995).values())
    assert quick > slow > 0.0 > never
    assert reward_terms(DecisionOutcome(3, False, 0, 0), config, 0.5)["step"] == pytest.approx(-0.005 * 1.75)


class TestReplay:
    def test_the_next_frame_is_of_the_same_episode(self, frames):
        decisions = transitions(frames, RewardConfig(), 0.995)
        np.testing.assert_array_equal(frames.episode[decisions.index], frames.episode[decisions.next_index])
        assert len(decisions.index) == (frames.action != NO_ACTION).sum()
        assert frames.terminated.sum() + frames.truncated.sum() == len(np.unique(frames.episode))

    def test_an_episode_that_broke_off_loses_its_last_decision(self, frames):
        keep = np.ones(len(frames), dtype=bool)
        ends = np.flatnonzero(frames.action == NO_ACTION)
        keep[ends[3]] = False
        cut = Frames(**{f.name: getattr(frames, f.name)[keep] for f in dataclasses.fields(frames)})
        whole, broken = transitions(frames, RewardConfig(), 0.9), transitions(cut, RewardConfig(), 0.9)
        assert len(broken.index) == len(whole.index) - 1
        np.testing.assert_array_equal(cut.episode[broken.index], cut.episode[broken.next_index])

    def test_returns_are_discounted_by_duration_within_episodes(self, frames):
        decisions = transitions(frames, RewardConfig(), 0.99)
        for row in range(len(decisions.index) - 1):
            index = decisions.index[row]
            expected = decisions.reward[row]
            if frames.episode[decisions.index[row + 1]] == frames.episode[index]:
                expected = expected + 0.99 ** frames.steps[index] * decisions.return_to_go[row + 1]
            assert decisions.return_to_go[row] == pytest.approx(expected, abs=1e-5)

    def test_split_keeps_episodes_whole(self, frames):
        training, held_out = split_episodes(frames, 0.25, np.random.default_rng(0))
        assert not set(training.episode) & set(held_out.episode)
        assert len(training) + len(held_out) == len(frames)

    def test_joined_data_sets_share_no_episode(self, frames):
        joined = Frames.concatenate([frames, frames])
        assert len(np.unique(joined.episode)) == 2 * len(np.unique(frames.episode))
        assert len(transitions(joined, RewardConfig(), 0.9).index) == 2 * len(
            transitions(frames, RewardConfig(), 0.9).index
        )

    def test_arrays_are_read_only(self, frames):
        with pytest.raises(ValueError, match="read-only"):
            frames.action[0] = 3


class TestLearner:
    def test_aawr_without_privileged_entries_is_awr(self, frames):
        config = TrainConfig(method="aawr", critic=())
        twin = dataclasses.replace(config, method="awr", critic=PRIVILEGED_KEYS)
        rows = np.arange(16)
        learners = [learner_of(frames, c) for c in (config, twin)]
        for learner, c in zip(learners, (config, twin), strict=True):
            torch.manual_seed(1)
            for _ in range(3):
                learner.update(source_of(frames, c).batch(rows))
        for a, b in zip(learners[0].actor.parameters(), learners[1].actor.parameters(), strict=True):
            assert torch.equal(a, b)

    def test_the_privileged_critic_changes_the_actor_only_through_weights(self, frames):
        config = TrainConfig()
        learner = learner_of(frames, config)
        before = learner.actor.encoder.head[0].weight.clone()
        batch = source_of(frames, config).batch(np.arange(16))
        assert batch.privileged.shape[1] == 5 + 21
        learner.update(batch)
        assert torch.equal(before, learner.actor.encoder.head[0].weight)

    def test_the_critic_sends_no_gradient_into_the_agent_state(self, frames):
        config = TrainConfig()
        source = source_of(frames, config)
        batch = source.batch(np.arange(8))
        embedding = torch.zeros_like(batch.state.embedding, requires_grad=True)
        state = dataclasses.replace(batch.state, embedding=embedding).detached()
        learner_of(frames, config).critic.value(batch.privileged, state).sum().backward()
        assert embedding.grad is None

    def test_the_actor_ignores_privileged_values(self, frames):
        """The data set's privileged arrays become NaN: what the actor computes from a batch stays the same."""
        config = TrainConfig()
        poison = {key: np.full_like(getattr(frames, key), np.nan) for key in PRIVILEGED_KEYS}
        poisoned = dataclasses.replace(frames, **poison)
        learner = learner_of(frames, config)
        learner.actor.eval()
        outputs = [learner.actor.log_probabilities(source_of(f, config).everything().state) for f in (frames, poisoned)]
        assert torch.isfinite(outputs[0]).all()
        assert torch.equal(*outputs)
        assert torch.isnan(source_of(poisoned, config).everything().privileged).all()

    def test_masked_views_have_no_probability(self, frames):
        learner = learner_of(frames, TrainConfig())
        batch = source_of(frames, TrainConfig()).everything().state
        assert (learner.actor.log_probabilities(batch).exp()[~batch.mask] == 0).all()

    def test_cloning_raises_the_likelihood_of_demonstrated_views(self, frames):
        config = TrainConfig(method="bc", learning_rate=3e-3)
        learner, source = learner_of(frames, config), source_of(frames, config)
        losses = [learner.update(source.everything())["actor_loss"] for _ in range(60)]
        assert losses[-1] < 0.6 * losses[0]


def test_the_rank_diagnostic_rises_with_training(frames):
    config = TrainConfig(learning_rate=1e-3, target_update_rate=0.05)
    learner, source = learner_of(frames, config), source_of(frames, config)
    for _ in range(200):
        learner.update(source.everything())
    found = rank_correlations(learner, source)
    assert set(found) >= {"advantage_return", "q_return", "value_return"}
    assert found["q_return"] > 0.7


def test_spearman_of_constants_is_zero():
    assert spearman(torch.zeros(5), torch.arange(5.0)) == 0.0
    assert spearman(torch.arange(5.0), torch.arange(5.0) ** 3) == pytest.approx(1.0)


def test_training_writes_curves_checkpoints_and_an_actor(frames, tmp_path):
    folder = train_on(small(tmp_path), frames)
    assert (folder / "actor.safetensors").is_file()
    rows = [json.loads(text) for text in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6, 8, 10]
    assert "visible_loss" in rows[0]
    assert "q_loss" in rows[-1]
    header = (tmp_path / "curves.csv").read_text().splitlines()[0]
    assert header.startswith("step,")
    assert set(json.loads((tmp_path / "diagnostics.json").read_text())) >= {
        "advantage_return",
        "q_return",
        "value_return",
    }
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == ["step-00000009", "step-00000010"]


def test_a_run_folder_is_not_shared(frames, tmp_path):
    train_on(small(tmp_path), frames)
    with pytest.raises(UsageError, match="another configuration"):
        train_on(small(tmp_path, beta=2.0), frames)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("method", "awwr", "Did you mean 'awr'|aawr"), ("expectile", 1.0, "expectile"), ("critic", ("boxes",), "boxes")],
)
def test_bad_options_are_one_sentence(field, value, message):
    with pytest.raises(UsageError, match=message):
        TrainConfig(**{field: value})
