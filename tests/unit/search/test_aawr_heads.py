"""The heads: learn what is weighted, act with what was learned, and never see a privileged value."""

import dataclasses

import numpy as np
import pytest
import torch
from aawr_fixtures import CHUNK, HEADS, MEMORIES, config_of, learner_of, some_frames, source_of
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.errors import UsageError
from search_policy.learning.batches import executed
from search_policy.learning.heads.config import HeadConfig
from search_policy.learning.heads.flow import FlowHead
from search_policy.learning.heads.gaussian import MixtureHead
from search_policy.learning.heads.head import HeadInput
from search_policy.observations import PRIVILEGED_KEYS

CHUNKED = HEADS[1:]
EVERYTHING = [(head, memory) for head in HEADS for memory in MEMORIES]


def head_of(kind, config=None):
    torch.manual_seed(0)
    config = config or HeadConfig(components=3, flow_width=64, flow_steps=5)
    if kind == "flow":
        return FlowHead(4, CHUNK, config)
    return MixtureHead(4, CHUNK, config.components if kind == "mixture" else 1, config)


def states(count):
    return HeadInput(torch.ones(count, 4), torch.zeros(count, 1, 1), torch.ones(count, 1, dtype=torch.bool))


@torch.no_grad()
def acted(head, count, *, greedy):
    return head.act(states(count), greedy=greedy, generator=torch.Generator().manual_seed(0))


def two_ways(count=64):
    """Half of the demonstrations go left (-0.7), half go right (+0.7), in the same state."""
    return torch.where(torch.arange(count) % 2 == 0, -0.7, 0.7)[:, None, None].expand(-1, *CHUNK).clone()


def fit(head, action, weight, updates=150, rate=1e-2):
    optimizer = torch.optim.Adam(head.parameters(), lr=rate)
    for _ in range(updates):
        loss, _ = head.loss(states(len(action)), action, weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head


@pytest.fixture(scope="module", params=["mixture", "flow"])
def two_sided(request):
    updates, rate = (800, 3e-3) if request.param == "flow" else (300, 1e-2)
    return fit(head_of(request.param), two_ways(), torch.ones(64), updates, rate)


class TestTwoWays:
    def test_a_head_of_many_modes_picks_one(self, two_sided):
        """A single Gaussian answers "look left or right" by looking between."""
        greedy = acted(two_sided, 1, greedy=True)
        assert greedy.abs().mean() > 0.45
        drawn = acted(two_sided, 200, greedy=False).mean(dim=(1, 2))
        assert (drawn.abs() > 0.3).float().mean() > 0.8
        assert 0.2 < (drawn > 0).float().mean() < 0.8

    def test_one_gaussian_averages_and_knows_how_unsure_it_is(self):
        head = fit(head_of("gaussian"), two_ways(), torch.ones(64))
        assert acted(head, 1, greedy=True).abs().mean() < 0.1
        assert head.parameters_of(states(1))[2].exp().mean().item() == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("kind", CHUNKED)
def test_the_weight_decides_which_way_is_learned(kind):
    action = two_ways(32)
    head = fit(head_of(kind), action, (action[:, 0, 0] > 0).float())
    assert acted(head, 1, greedy=True).mean().item() == pytest.approx(0.7, abs=0.15)


@pytest.mark.parametrize("deviation", ["state", "free"])
def test_acting_draws_with_the_learned_deviation(deviation):
    """The published code learns with one deviation and acts with another."""
    head = head_of("gaussian", HeadConfig(deviation=deviation))
    with torch.no_grad():
        head.mean.weight.zero_()
        head.log_std += torch.linspace(-1.0, -0.5, 15)
    log_std = head.parameters_of(states(1))[2][0, 0]
    drawn = head.act(states(4000), greedy=False, generator=torch.Generator().manual_seed(0)).flatten(1)
    small = log_std.exp() < 0.3
    torch.testing.assert_close(drawn.std(dim=0)[small], log_std.exp()[small], rtol=0.1, atol=0.0)
    reference = torch.distributions.Normal(head.parameters_of(states(1))[1][0, 0], log_std.exp())
    action = torch.rand(2, *CHUNK) * 2 - 1
    expected = reference.log_prob(action.flatten(1)).sum(dim=1)
    torch.testing.assert_close(head.log_probability(states(2), action), expected, rtol=1e-4, atol=1e-4)


def test_a_mixtures_density_is_torchs():
    head = head_of("mixture")
    mixing, mean, log_std = head.parameters_of(states(2))
    parts = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=mixing), parts)
    action = torch.rand(2, *CHUNK)
    torch.testing.assert_close(head.log_probability(states(2), action), mixture.log_prob(action.flatten(1)))


def test_a_flow_says_that_it_has_no_density():
    with pytest.raises(UsageError, match="FlowHead has no log-probability"):
        head_of("flow").log_probability(states(1), torch.zeros(1, *CHUNK))


def test_the_flows_sampler_copies_its_teacher(two_sided):
    if not isinstance(two_sided, FlowHead):
        pytest.skip("only a flow has a teacher")
    noise = torch.randn(64, 15)
    taught = two_sided.teach(torch.ones(64, 4), noise)
    assert (two_sided._sample(torch.ones(64, 4), noise) - taught).abs().mean() < 0.25


@pytest.mark.parametrize(("kind", "memory"), EVERYTHING)
class TestEveryActor:
    def test_it_acts_within_bounds_and_repeatably(self, kind, memory):
        config, frames = config_of(kind, memory), some_frames(kind)
        actor, batch = learner_of(frames, config).actor.eval(), source_of(frames, config).everything().state
        first, again = (actor.act(batch, greedy=False, generator=torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(first, again)
        assert torch.equal(actor.act(batch, greedy=True), actor.act(batch, greedy=True))
        if kind == "categorical":
            assert batch.mask[torch.arange(len(first)), first].all()
        else:
            assert first.shape == (len(batch.mask), *CHUNK)
            assert first.abs().max() <= 1.0

    def test_it_ignores_privileged_values(self, kind, memory):
        """Every privileged array becomes NaN: what the actor does stays the same."""
        config, frames = config_of(kind, memory), some_frames(kind)
        poison = {key: np.full_like(getattr(frames, key), np.nan) for key in PRIVILEGED_KEYS}
        actor = learner_of(frames, config).actor.eval()
        clean, poisoned = (source_of(f, config).everything() for f in (frames, dataclasses.replace(frames, **poison)))
        assert torch.isnan(poisoned.privileged).all()
        actions = [actor.act(batch.state, greedy=True) for batch in (clean, poisoned)]
        assert torch.isfinite(actions[0]).all()
        assert torch.equal(*actions)

    def test_without_privileged_entries_aawr_is_awr(self, kind, memory):
        frames = some_frames(kind)
        learners = []
        for config in (config_of(kind, memory, critic=()), config_of(kind, memory, method="awr")):
            learner, source = learner_of(frames, config), source_of(frames, config)
            torch.manual_seed(1)
            for _ in range(2):
                learner.update(source.everything())
            learners.append(learner)
        for name, network in learners[0].networks().items():
            for a, b in zip(network.parameters(), learners[1].networks()[name].parameters(), strict=True):
                assert torch.equal(a, b)


@pytest.mark.parametrize("kind", HEADS)
def test_cloning_gets_closer_to_the_demonstrations(kind):
    config, frames = config_of(kind, method="bc", learning_rate=5e-3), some_frames(kind)
    learner, batch = learner_of(frames, config), source_of(frames, config).everything()
    losses = [learner.update(batch)["actor_loss"] for _ in range(60)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 5))
def test_a_chunk_cut_short_goes_on_with_its_last_twist(steps, horizon):
    action = np.arange(horizon * 5, dtype=np.float32).reshape(1, horizon, 5)
    learned = executed(action, np.array([steps]))
    done = min(steps, horizon)
    np.testing.assert_array_equal(learned[0, :done], action[0, :done])
    np.testing.assert_array_equal(learned[0, done:], np.repeat(action[0, done - 1 : done], horizon - done, axis=0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "gausian", "action_space": "twist"}, "Did you mean 'gaussian'"),
        ({"head": "gaussian"}, "viewpoint needs head categorical, not gaussian"),
        ({"action_space": "twist"}, "twist needs head gaussian or mixture or flow"),
        ({"action_space": "views"}, "action space"),
        ({"weighting": "exponential"}, "weighting"),
    ],
)
def test_heads_that_do_not_fit_are_refused(changes, message):
    from search_policy.learning.config import TrainConfig

    with pytest.raises(UsageError, match=message):
        TrainConfig(**changes)


def test_demonstrations_of_another_action_space_are_refused():
    with pytest.raises(UsageError, match="action_space is viewpoint, but the demonstrations' actions are chunks"):
        learner_of(some_frames("gaussian"), config_of())
