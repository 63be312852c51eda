"""Which action is due, and which chunks are refused."""

from dataclasses import replace

import numpy as np
import pytest

from robots.types import ActionSpace
from tests.bridge_fakes import SCHEMA
from vla_bridge.chunks import ChunkQueue
from vla_bridge.messages import Chunk, GripperConvention


def chunk(captured_at_s=10.0, epoch=1, **change):
    actions = np.arange(8, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32)
    base = Chunk(
        "s", epoch, 1, captured_at_s, SCHEMA.action_space, 0.1, False, 0.0, actions, np.linspace(0, 1, 8, dtype="f4")
    )
    return replace(base, **change)


@pytest.fixture
def queue():
    queue = ChunkQueue(SCHEMA, max_age_s=2.0)
    queue.flush(1)
    return queue


def test_each_period_gets_the_action_meant_for_it(queue):
    assert queue.accept(chunk(), 10.0) == ""
    indices = [queue.due(10.0 + 0.1 * tick).action.values[0] for tick in range(8)]
    assert indices == list(range(8))
    assert queue.due(10.3).action.gripper == pytest.approx(3 / 7)
    assert queue.due(10.3).captured_at_s == 10.0


def test_an_uneven_clock_neither_repeats_nor_skips(queue):
    queue.accept(chunk(), 10.0)
    rng = np.random.default_rng(0)
    indices = [queue.due(10.0 + 0.1 * tick + rng.uniform(-0.04, 0.04)).action.values[0] for tick in range(1, 7)]
    assert indices == [1, 2, 3, 4, 5, 6]


def test_what_is_past_on_arrival_is_skipped(queue):
    queue.accept(chunk(), 10.32)
    assert queue.due(10.32).action.values[0] == 3
    assert queue.remaining(10.32) == 5


def test_nothing_is_due_after_the_end_or_before_the_start(queue):
    assert queue.due(10.0) is None
    queue.accept(chunk(), 10.0)
    assert queue.due(10.8) is None
    assert queue.remaining(10.8) == 0
    assert queue.due(9.8) is None


def test_an_anchored_chunk_begins_now(queue):
    queue.accept(chunk(), 10.3)
    queue.anchor(10.5)
    assert queue.due(10.5).action.values[0] == 0
    assert queue.due(10.5).captured_at_s == 10.0


def test_a_chunk_that_is_too_old_is_dropped_instead_of_anchored(queue):
    queue.accept(chunk(), 10.3)
    assert queue.fresh(12.0)
    assert not queue.fresh(12.1)
    queue.anchor(12.1)
    assert queue.due(12.1) is None


def test_a_newer_observation_replaces_an_older_one_and_not_the_reverse(queue):
    queue.accept(chunk(10.4), 10.5)
    assert "older" in queue.accept(chunk(10.0), 10.5)
    assert queue.accept(chunk(10.5), 10.5) == ""
    assert queue.due(10.5).action.values[0] == 0


def test_a_flush_forgets_and_refuses_the_old_epoch(queue):
    queue.accept(chunk(), 10.0)
    queue.flush(2)
    assert queue.due(10.0) is None
    assert "epoch 1" in queue.accept(chunk(), 10.0)
    assert queue.accept(chunk(epoch=2), 10.0) == ""


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"actions": np.full((8, 3), np.nan, np.float32)}, "finite"),
        ({"actions": np.zeros((8, 4), np.float32)}, "shape"),
        ({"actions": np.zeros((7, 3), np.float32)}, "shape"),
        ({"action_space": ActionSpace.JOINT_VELOCITY}, "joint_velocity"),
        ({"gripper": np.full(8, 1.5, np.float32)}, "gripper"),
        ({"gripper": np.full(8, np.nan, np.float32)}, "gripper"),
        ({"gripper": np.zeros(3, np.float32)}, "gripper"),
        ({"gripper": None}, "gripper"),
        ({"dt_s": 0.0}, "time step"),
        ({"captured_at_s": 7.0}, "old"),
        ({"captured_at_s": 11.0}, "old"),
    ],
)
def test_a_chunk_that_does_not_fit_is_refused_whole(queue, change, word):
    assert word in queue.accept(chunk(**change), 10.0)
    assert queue.due(10.0) is None


def test_a_policy_without_gripper_leaves_it_alone():
    queue = ChunkQueue(replace(SCHEMA, gripper=GripperConvention.NONE), max_age_s=2.0)
    queue.flush(1)
    assert "gripper" in queue.accept(chunk(), 10.0)
    assert queue.accept(chunk(gripper=None), 10.0) == ""
    assert queue.due(10.0).action.gripper is None
