import dataclasses
import inspect

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, Normal, kl_divergence

from robots.errors import UsageError
from search_policy.learning.aawr import DecisionBatch
from search_policy.learning.checkpoint import load_actor, save_actor
from search_policy.learning.codes import prior_code
from search_policy.learning.config import NetworkConfig, TrainConfig, VibConfig
from search_policy.learning.distillation import DistillationLearner, distillation_loss
from search_policy.learning.informed import view_hints
from search_policy.learning.learner import build_learner
from search_policy.learning.networks import Actor, ActorSpec, AgentBatch, InputSizes
from search_policy.learning.trainer import train_on
from search_policy.learning.vib import VibLearner, information
from search_policy.observations import AgentState, ObsGroups

NETWORK = NetworkConfig(embedding=4, actor=16, critic=16, dropout=0.0)
SIZES = InputSizes(proprioception=2, seen_map=(1, 1, 1), views=3, features=1, privileged=8)
SPEC = ActorSpec(SIZES, NETWORK)
SIDES = 2  # the target is behind one of the first two views; the third never pays


def config(method, **changes):
    return TrainConfig(method=method, network=NETWORK, learning_rate=1e-2, **changes)


def bandit(rng, size, *, told):
    """Random choices among three views, one of which shows the target; `told` puts the side into the agent state."""
    side = torch.tensor(rng.integers(SIDES, size=size))
    action = torch.tensor(rng.integers(3, size=size))
    cue = 2.0 * side.float() - 1.0
    state = AgentBatch(
        torch.zeros(size, 4),
        torch.stack([cue if told else torch.zeros(size), torch.ones(size), torch.zeros(size)], dim=1),
        torch.zeros(size, 3, 1),
        torch.ones(size, 3, dtype=torch.bool),
    )
    seen = torch.nn.functional.one_hot(side, 3).float()
    privileged = torch.cat([torch.zeros(size, 1), cue[:, None], torch.zeros(size, 1), torch.ones(size, 2), seen], dim=1)
    right = (action == side).float()
    return side, DecisionBatch(
        state=state,
        next_state=state,
        privileged=privileged,
        next_privileged=privileged,
        hint=right,
        action=action,
        reward=right,
        duration=torch.ones(size),
        terminated=torch.ones(size),
        return_to_go=right,
        intervention=torch.zeros(size),
    )


def trained(method, updates, *, told, **changes):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    learner = build_learner(config(method, **changes), SPEC)
    for _ in range(updates):
        metrics = learner.update(bandit(rng, 64, told=told)[1])
    learner.actor.eval()
    return learner, metrics


class TestDistillation:
    def test_the_actor_becomes_the_expert_where_it_can_see_what_the_expert_sees(self):
        learner, _ = trained("distillation", 100, told=True)
        side, batch = bandit(np.random.default_rng(1), 64, told=True)
        with torch.no_grad():
            taught = learner._teach(batch)
            mine = learner.actor.log_probabilities(batch.state)
        assert taught.exp().gather(1, side[:, None]).min() > 0.8
        assert distillation_loss(mine, taught) < 0.02

    def test_the_actor_averages_over_what_only_the_expert_sees(self):
        learner, _ = trained("distillation", 100, told=False)
        side, batch = bandit(np.random.default_rng(1), 64, told=False)
        with torch.no_grad():
            taught = learner._teach(batch).exp()
            mine = learner.actor.log_probabilities(batch.state).exp()
        assert taught.gather(1, side[:, None]).min() > 0.8
        assert mine[:, :SIDES].max() < 0.7

    def test_its_loss_is_the_divergence_from_the_expert(self):
        torch.manual_seed(0)
        expert, actor = torch.randn(5, 4), torch.randn(5, 4)
        expected = kl_divergence(Categorical(logits=expert), Categorical(logits=actor)).mean()
        found = distillation_loss(torch.log_softmax(actor, dim=1), torch.log_softmax(expert, dim=1))
        torch.testing.assert_close(found, expected)

    def test_a_masked_view_adds_nothing(self):
        open_views = torch.log_softmax(torch.tensor([[0.3, -1e9, 0.1]]), dim=1)
        assert distillation_loss(open_views, open_views).item() == 0.0

    def test_the_expert_learns_on_critic_weights_alone_and_never_from_the_actor(self):
        learner = DistillationLearner(config("distillation"), SPEC)
        _, batch = bandit(np.random.default_rng(0), 16, told=True)
        before = {name: value.clone() for name, value in learner.expert.state_dict().items()}
        learner.update_actor(batch, torch.zeros(16))
        learner.actor_optimizer.zero_grad()
        changed = [name for name, value in learner.expert.state_dict().items() if not torch.equal(value, before[name])]
        assert changed  # weight decay alone: the loss is zero
        shrunk = all(
            torch.allclose(value, before[name], atol=1e-4) for name, value in learner.expert.state_dict().items()
        )
        assert shrunk

    def test_chunks_are_distilled_too(self):
        sizes = dataclasses.replace(SIZES, chunk=(2, 5))
        spec = ActorSpec(sizes, NETWORK, "gaussian")
        learner = build_learner(config("distillation", action_space="twist", head="gaussian"), spec)
        _, batch = bandit(np.random.default_rng(0), 16, told=True)
        metrics = learner.update(dataclasses.replace(batch, action=torch.rand(16, 2, 5)))
        assert np.isfinite(list(metrics.values())).all()


class TestVib:
    @given(
        st.lists(st.floats(-3, 3), min_size=2, max_size=2),
        st.lists(st.floats(-3, 1.5), min_size=2, max_size=2),
    )
    def test_information_is_the_divergence_from_the_prior(self, mean, log_std):
        mean, log_std = torch.tensor([mean]), torch.tensor([log_std])
        expected = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum(dim=1)
        torch.testing.assert_close(information(mean, log_std), expected, rtol=1e-3, atol=1e-4)

    def test_it_uses_the_code_in_training_and_falls_to_chance_without_privileged_input(self):
        learner, metrics = trained("vib", 100, told=False)
        side, batch = bandit(np.random.default_rng(1), 256, told=False)
        with torch.no_grad():
            code, _ = learner.bottleneck(batch.privileged, batch.state)
            informed = learner.actor.head.log_probabilities(learner.actor.features(batch.state, code)).argmax(dim=1)
            # The agent states are all alike here, so a little noise makes each of them draw a code of its own.
            noise = torch.tensor([0.0, 0.0, 1e-6]) * torch.arange(256)[:, None]
            noisy = dataclasses.replace(batch.state, memory=batch.state.memory + noise)
            deployed = learner.actor.act(noisy, greedy=True)
        assert (informed == side).float().mean() > 0.95
        assert (deployed == side).float().mean() < 0.65
        assert metrics["information_nats"] > 0.1

    def test_a_dear_bottleneck_tells_nothing(self):
        _, metrics = trained("vib", 80, told=False, vib=VibConfig(weight=100.0))
        assert metrics["information_nats"] < 0.05

    def test_the_exported_actor_has_no_privileged_input_and_draws_its_code_by_the_state(self, tmp_path):
        learner, _ = trained("vib", 2, told=True)
        save_actor(learner.actor, tmp_path, {})
        actor = load_actor(tmp_path)
        assert isinstance(actor, Actor)
        assert set(inspect.signature(Actor.probabilities).parameters) == {"self", "state", "recollection"}
        assert not any("bottleneck" in name for name in actor.state_dict())
        state = AgentState(
            image=np.zeros((84, 84, 3), np.uint8),
            proprioception=np.zeros(2, np.float32),
            seen_map=np.zeros((1, 1, 1), np.float32),
            views=np.zeros((3, 1), np.float32),
            mask=np.ones(3, dtype=bool),
        )
        first = actor.probabilities(state)
        np.testing.assert_array_equal(first, actor.probabilities(state))
        other = dataclasses.replace(state, proprioception=np.full(2, 0.5, np.float32))
        assert not np.array_equal(first, actor.probabilities(other))

    def test_prior_codes_are_standard_normal(self):
        codes = prior_code(torch.arange(4000.0)[:, None], 4)
        assert codes.shape == (4000, 4)
        assert codes.mean().abs() < 0.05
        assert codes.std() == pytest.approx(1.0, abs=0.05)

    def test_what_no_bottleneck_can_be_is_refused(self):
        with pytest.raises(UsageError, match="vib"):
            VibConfig(code=0)


@pytest.mark.parametrize("method", ["distillation", "vib"])
def test_nothing_privileged_changes_what_the_actor_does(method):
    learner, _ = trained(method, 2, told=True)
    _, batch = bandit(np.random.default_rng(1), 8, told=True)
    with torch.no_grad():
        before = learner.actor.log_probabilities(batch.state)
        batch.privileged.fill_(torch.nan)
        batch.hint.fill_(torch.nan)
        after = learner.actor.log_probabilities(batch.state)
    assert torch.equal(before, after)
    assert "privileged" not in AgentBatch.__slots__


@pytest.mark.parametrize(("method", "learner"), [("distillation", DistillationLearner), ("vib", VibLearner)])
def test_a_run_resumes_bit_exactly(method, learner, frames, tmp_path):
    assert type(build_learner(config(method), SPEC)) is learner
    small = {"pretrain_updates": 2, "batch_size": 16, "pretrain_batch": 8, "log_every": 2, "checkpoint_every": 3}

    def ended(folder, updates):
        run = TrainConfig(method=method, out=str(tmp_path / folder), updates=updates, network=NETWORK, **small)
        return (train_on(run, frames) / "actor.safetensors").read_bytes()

    whole = ended("whole", 6)
    ended("cut", 3)
    described = (tmp_path / "cut" / "config.json").read_text().replace('"updates": 3', '"updates": 6')
    (tmp_path / "cut" / "config.json").write_text(described)
    assert ended("cut", 6) == whole


def test_hints_are_found_wherever_they_stand():
    privileged = torch.arange(8.0)[None]
    assert view_hints(privileged, ObsGroups(), 3).tolist() == [[5.0, 6.0, 7.0]]
    assert view_hints(privileged, ObsGroups(critic=("views_with_target", "target_position")), 3).tolist() == [[0, 1, 2]]
    assert view_hints(privileged, ObsGroups(critic=("target_present",)), 3).tolist() == [[0.0, 0.0, 0.0]]
