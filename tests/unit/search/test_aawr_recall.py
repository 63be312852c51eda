"""What actors remember: only frames of the same episode, in order, and enough to solve what needs memory."""

import numpy as np
import pytest
import torch
from aawr_fixtures import FEATURES, MEMORIES, VIEWS, config_of, learner_of, make_frames, some_frames, source_of
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.errors import UsageError
from search_policy.learning.networks import AgentBatch
from search_policy.learning.recall.config import MemoryConfig
from search_policy.learning.recall.history import Recollection, history_index
from search_policy.learning.recall.modules import build_recall
from search_policy.observations import AgentState
from search_policy.searchers.choosers import PolicyChooser

REMEMBERING = MEMORIES[1:]
CUES, BLANK = (0, 1), 2


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 4))
def test_history_never_crosses_an_episode(lengths, length):
    episode = np.repeat(np.arange(len(lengths)), lengths)
    index, mask = history_index(episode, length)
    assert index.shape == mask.shape == (len(episode), length)
    for row in range(len(episode)):
        same = [i for i in range(row) if episode[i] == episode[row]][-length:] if length else []
        assert index[row][mask[row]].tolist() == same
        assert not mask[row][: length - len(same)].any()


@pytest.mark.parametrize("kind", REMEMBERING)
def test_what_an_empty_slot_holds_does_not_matter(kind):
    recall = build_recall(MemoryConfig(kind, length=3, width=16), 5).eval()
    token, history = torch.randn(4, 5), torch.randn(4, 3, 5)
    mask = torch.tensor([[False, False, False], [False, False, True], [False, True, True], [True, True, True]])
    garbage = torch.where(mask[:, :, None], history, 99.0)
    torch.testing.assert_close(recall(token, history, mask), recall(token, garbage, mask))
    assert not torch.allclose(recall(token, history, mask), recall(token, history + mask[:, :, None], mask))


@pytest.mark.parametrize("kind", REMEMBERING)
def test_the_order_of_what_was_seen_counts(kind):
    torch.manual_seed(0)
    recall = build_recall(MemoryConfig(kind, length=3, width=16), 5).eval()
    token, history, mask = torch.randn(1, 5), torch.randn(1, 3, 5), torch.ones(1, 3, dtype=torch.bool)
    assert (recall(token, history, mask) - recall(token, history.flip(1), mask)).abs().max() > 1e-4


def test_a_windows_frames_stay_apart():
    """Stacked images of the published code mix the colours of one frame with the next frame's."""
    recall = build_recall(MemoryConfig("window", length=3, width=16), 5).eval()
    token, history, mask = torch.randn(1, 5), torch.randn(1, 3, 5), torch.ones(1, 3, dtype=torch.bool)
    changed = history.clone()
    changed[:, 1] += 1.0
    before, after = (recall(token, h, mask).reshape(3, 16) for h in (history, changed))
    assert (before == after).all(dim=1).tolist() == [True, False, True]


def test_a_recollection_is_what_training_indexes():
    frames, config = some_frames(episodes=2, length=5), config_of(memory="window")
    embedding = torch.randn(10, 8)
    state = source_of(frames, config, embedding).everything().state
    recollection = Recollection(3, state.token.shape[1])
    for row in range(4):
        history, mask = recollection.history()
        assert torch.equal(history[0], state.history[row])
        assert torch.equal(mask[0], state.history_mask[row])
        recollection.add(state.token[row : row + 1])
    recollection.clear()
    assert len(recollection) == 0


def test_a_memory_without_history_is_refused():
    frames, config = some_frames(), config_of(memory="gru")
    state = source_of(frames, config).everything().state
    forgetful = AgentBatch(state.embedding, state.memory, state.views, state.mask)
    with pytest.raises(ValueError, match="needs the batch's history"):
        learner_of(frames, config).actor.features(forgetful)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"kind": "lstm"}, "lstm"), ({"length": 0}, "length"), ({"kind": "attention", "width": 30}, "4 divides")],
)
def test_bad_memories_are_one_sentence(changes, message):
    with pytest.raises(UsageError, match=message):
        MemoryConfig(**changes)


def demonstrations(episodes):
    """A maze: the first frame shows which of two views will hold the target, the second shows nothing; then choose.

    Choices are random, the return is good where the choice fits the cue.
    """
    rng = np.random.default_rng(0)
    cue, choice = rng.integers(2, size=episodes), rng.integers(2, size=episodes)
    state = np.stack([cue, np.full(episodes, BLANK), np.full(episodes, BLANK)], axis=1).ravel()
    action = np.stack([np.zeros(episodes, dtype=np.int64), choice, np.zeros(episodes, dtype=np.int64)], axis=1).ravel()
    found = np.stack([np.zeros(episodes), cue == choice, np.zeros(episodes)], axis=1).ravel().astype(bool)
    mask = np.zeros((3 * episodes, VIEWS), dtype=bool)
    mask[:, :2] = True
    sees = np.eye(VIEWS, dtype=np.float32)[np.repeat(cue, 3)]
    views = np.broadcast_to(np.eye(VIEWS, FEATURES, dtype=np.float32), (3 * episodes, VIEWS, FEATURES))
    return make_frames([3] * episodes, state, action, found=found, mask=mask, views=views, views_with_target=sees)


def moment(shown):
    return AgentState(
        image=np.zeros((84, 84, 3), np.uint8),
        proprioception=np.eye(8, dtype=np.float32)[shown],
        seen_map=np.zeros((1, 1, 2), np.float32),
        views=np.eye(VIEWS, FEATURES, dtype=np.float32),
        mask=np.arange(VIEWS) < 2,
    )


def success_in_the_maze(actor):
    """Play both mazes in turn, as a search does: one chooser, reset between the episodes."""
    chooser, wins = PolicyChooser(actor.eval(), greedy=True), []
    for episode in range(20):
        chooser.reset(np.random.default_rng(episode))
        cue = CUES[episode % 2]
        chooser.choose(moment(cue))
        wins.append(chooser.choose(moment(BLANK)) == cue)
    return np.mean(wins)


@pytest.mark.parametrize("method", ["aawr", "awr"])
@pytest.mark.parametrize("memory", MEMORIES)
def test_a_choice_that_needs_memory(memory, method):
    """Without memory the second frame looks the same in both mazes: half of the choices are wrong by construction."""
    config = config_of(memory=memory, method=method, learning_rate=3e-3, target_update_rate=0.2)
    frames = demonstrations(60)
    learner = learner_of(frames, config)
    with torch.no_grad():
        embedding = learner.actor.encoder(torch.zeros(1, 84, 84, 3, dtype=torch.uint8)).expand(len(frames), -1)
    batch = source_of(frames, config, embedding).everything()
    for _ in range(240):
        learner.update(batch)
    success = success_in_the_maze(learner.actor)
    if memory == "none":
        assert success == 0.5
    else:
        assert success >= 0.9


def test_remembering_nothing_costs_no_second_look():
    frames, config = some_frames(), config_of()
    actor = learner_of(frames, config).actor.eval()
    recollection = actor.recollection()
    actor.remember(moment(0), recollection)
    assert len(recollection) == 0
