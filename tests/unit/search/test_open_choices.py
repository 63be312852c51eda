"""The actor's loss over every open view, and what an actor reads."""

import dataclasses

import numpy as np
import pytest
import torch
from aawr_fixtures import config_of, learner_of, some_frames, source_of

from robots.errors import UsageError
from search_policy.learning.batches import actor_spec
from search_policy.learning.config import NetworkConfig
from search_policy.learning.learner import build_learner
from search_policy.learning.open_choices import OpenChoiceLearner
from search_policy.observations import PRIVILEGED_KEYS


def open_learner(frames, **changes):
    config = config_of(choices="open", **changes)
    torch.manual_seed(0)
    return build_learner(config, actor_spec(frames, config)), source_of(frames, config).everything(), config


def test_every_q_holds_the_q_of_the_taken_view():
    learner, batch, _ = open_learner(some_frames())
    learner.critic.eval()
    every = learner.critic.every_q(batch.privileged, batch.state, batch.hints)
    taken = learner.critic.q_values(batch.privileged, batch.state, batch.action, batch.hint)
    rows = torch.arange(len(batch.action))
    torch.testing.assert_close(every[:, rows, batch.action], taken)


def test_closed_views_weigh_nothing_and_open_ones_one_on_average():
    learner, batch, _ = open_learner(some_frames())
    assert isinstance(learner, OpenChoiceLearner)
    mask = batch.state.mask.clone()
    mask[:, 0] = False
    weight = learner.open_weights(torch.randn(mask.shape), mask, 1.0)
    assert (weight[:, 0] == 0.0).all()
    assert weight[mask].mean().item() == pytest.approx(1.0, abs=1e-5)


def test_the_best_open_view_is_learned_from_choices_that_never_took_it():
    """The critic's word about a view is enough: the demonstrations always took view 0."""
    frames = some_frames()
    learner, batch, _ = open_learner(frames, learning_rate=1e-2)
    learner.target.every_q = lambda privileged, state, hints: hints[None] * 1.0
    hints = torch.zeros_like(batch.hints)
    hints[:, 2] = 1.0
    mask = torch.ones_like(batch.state.mask)
    batch = dataclasses.replace(batch, hints=hints, state=dataclasses.replace(batch.state, mask=mask))
    for _ in range(40):
        learner.update(batch)
    learner.actor.eval()
    assert (learner.actor.log_probabilities(batch.state).argmax(dim=1) == 2).all()


def test_a_persons_decision_stands_for_its_state():
    learner, batch, _ = open_learner(some_frames(), learning_rate=1e-2)
    person = torch.ones_like(batch.intervention)
    batch = dataclasses.replace(batch, intervention=person, action=torch.full_like(batch.action, 2))
    for _ in range(40):
        learner.update(batch)
    assert (learner.actor.eval().log_probabilities(batch.state).argmax(dim=1) == 2).all()


def test_without_privileged_entries_it_is_symmetric():
    frames, actors = some_frames(), []
    for changes in ({"method": "aawr", "critic": ()}, {"method": "awr", "critic": PRIVILEGED_KEYS}):
        learner, batch, _ = open_learner(frames, **changes)
        assert not batch.hints.any()
        torch.manual_seed(1)
        for _ in range(3):
            learner.update(batch)
        actors.append(learner.actor)
    assert all(torch.equal(a, b) for a, b in zip(actors[0].parameters(), actors[1].parameters(), strict=True))


def test_an_actor_that_reads_nothing_else_answers_to_the_views_alone():
    frames = some_frames()
    config = config_of(choices="open")
    config = dataclasses.replace(config, network=dataclasses.replace(config.network, reads=()))
    learner = learner_of(frames, config)
    learner.actor.eval()
    batch = source_of(frames, config).everything()
    other = dataclasses.replace(
        batch.state, embedding=batch.state.embedding + 3.0, memory=torch.randn_like(batch.state.memory)
    )
    assert torch.equal(learner.actor.log_probabilities(batch.state), learner.actor.log_probabilities(other))
    moved = dataclasses.replace(batch.state, views=batch.state.views + torch.randn_like(batch.state.views))
    assert not torch.equal(learner.actor.log_probabilities(batch.state), learner.actor.log_probabilities(moved))


def test_the_actor_sees_nothing_privileged():
    frames = some_frames()
    poison = {key: np.full_like(getattr(frames, key), np.nan) for key in PRIVILEGED_KEYS}
    learner, batch, config = open_learner(frames)
    learner.actor.eval()
    poisoned = source_of(dataclasses.replace(frames, **poison), config).everything()
    assert torch.equal(learner.actor.log_probabilities(batch.state), learner.actor.log_probabilities(poisoned.state))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"choices": "opne"}, "Did you mean 'open'"),
        ({"choices": "open", "method": "bc"}, "methods aawr and awr"),
        ({"choices": "open", "action_space": "twist", "head": "gaussian"}, "viewpoint"),
    ],
)
def test_what_does_not_go_together_is_refused(change, words):
    with pytest.raises(UsageError, match=words):
        config_of(**change)


def test_an_unknown_input_is_refused():
    with pytest.raises(UsageError, match="proprioception"):
        NetworkConfig(reads=("proprioceptoin",))
