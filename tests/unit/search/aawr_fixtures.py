"""Small data sets for the learner's tests: chains with known values, chunks, and a maze that needs memory."""

from __future__ import annotations

import numpy as np
import torch

from search_policy.learning.aawr import Learner
from search_policy.learning.batches import DecisionSource, actor_spec
from search_policy.learning.config import NetworkConfig, TrainConfig
from search_policy.learning.recall.config import MemoryConfig
from search_policy.learning.replay import NO_ACTION, Frames, transitions

VIEWS, FEATURES, CHUNK = 4, 10, (3, 5)
TINY = NetworkConfig(embedding=8, actor=32, critic=32, dropout=0.0)
HEADS = ("categorical", "gaussian", "mixture", "flow")
MEMORIES = ("none", "window", "gru", "attention")


def config_of(head="categorical", memory="none", **changes):
    space = "viewpoint" if head == "categorical" else "twist"
    recall = MemoryConfig(memory, length=3, width=16)
    return TrainConfig(**{"action_space": space, "head": head, "memory": recall, "network": TINY, **changes})


def make_frames(lengths, state, action=None, *, seed=0, **changes):
    """Whole episodes of these lengths; `state` (n,) numbers the agent states, which the proprioception shows."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    ends = np.cumsum(lengths) - 1
    last = np.isin(np.arange(n), ends)
    before_last = np.isin(np.arange(n), ends - 1)
    action = rng.integers(0, VIEWS, n) if action is None else action
    action = np.where(last.reshape(-1, *[1] * (action.ndim - 1)), NO_ACTION if action.ndim == 1 else np.nan, action)
    shown = np.eye(8, dtype=np.float32)[np.asarray(state)]
    defaults = {
        "image": np.zeros((n, 84, 84, 3), dtype=np.uint8),
        "proprioception": shown,
        "seen_map": np.zeros((n, 1, 1, 2), dtype=np.float32),
        "views": np.ones((n, VIEWS, FEATURES), dtype=np.float32),
        "mask": np.ones((n, VIEWS), dtype=bool),
        "action": action if action.ndim == 1 else action.astype(np.float32),
        "steps": np.where(last, 0, 1),
        "found": before_last,
        "coverage_gain": np.zeros(n, dtype=np.float32),
        "collisions": np.zeros(n, dtype=np.int64),
        "terminated": before_last,
        "truncated": np.zeros(n, dtype=bool),
        "episode": np.repeat(np.arange(len(lengths)), lengths),
        "target_position": rng.random((n, 3)).astype(np.float32),
        "target_present": np.ones((n, 1), dtype=np.float32),
        "target_visibility": rng.random((n, 1)).astype(np.float32),
        "views_with_target": rng.random((n, VIEWS)).astype(np.float32),
    }
    return Frames(**{**defaults, **changes})


def some_frames(head="categorical", episodes=8, length=4):
    """Random demonstrations for a head."""
    n, rng = episodes * length, np.random.default_rng(1)
    action = None if head == "categorical" else rng.uniform(-1, 1, (n, *CHUNK)).astype(np.float32)
    embedded = rng.integers(0, 8, n)
    return make_frames([length] * episodes, embedded, action, seed=2)


def source_of(frames, config, embedding=None):
    if embedding is None:
        embedding = torch.zeros(len(frames), config.network.embedding)
    decisions = transitions(frames, config.reward, config.discount)
    return DecisionSource(frames, decisions, embedding, config.groups, config.memory.frames)


def learner_of(frames, config, seed=0):
    torch.manual_seed(seed)
    return Learner(config, actor_spec(frames, config))
