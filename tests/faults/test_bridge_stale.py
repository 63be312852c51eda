"""No stale action is ever executed, whatever the network does: randomised schedules through exchange and skill.

The network may delay, drop, duplicate and reorder every answer, lose the link, and forge answers of other sessions;
leases come and go. The history checker looks only at what the skill proposes.
"""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.types import Holder, Lease, SkillState
from tests.bridge_fakes import DESCRIPTION, SCHEMA, TASK, observation
from vla_bridge.exchange import Exchange, Request
from vla_bridge.link import LinkState, LinkStatus
from vla_bridge.messages import Chunk, Error, ErrorCode, ReplyOutcome
from vla_bridge.skill import GeneralistSkill, SkillConfig

PERIOD_S = 0.1


class Network:
    """Stands where the client stands: the real exchange over a network that a random generator spoils."""

    endpoint = "tcp://127.0.0.1:1"

    def __init__(self, rng):
        self.rng = rng
        self.now = 0.0
        self.exchange = Exchange()
        self.sessions = 0
        self.flying = []
        self.reconnect()

    def start(self):
        pass

    def arm(self):
        pass

    def reconnect(self):
        self.sessions += 1
        self.exchange.fail(ReplyOutcome.LOST, "link", self.now)
        self.exchange.open(f"session-{self.sessions}")

    def link(self):
        return LinkStatus(LinkState.READY, schema=SCHEMA, sessions=self.sessions)

    def poll(self):
        return self.exchange.take()

    def request(self, arrays, *, instruction, epoch, seq, captured_at_s, deadline_s):
        self.exchange.submit(Request(arrays, instruction, epoch, seq, captured_at_s, deadline_s, self.now))

    def advance(self):
        self.now += PERIOD_S
        if self.rng.random() < 0.03:
            self.reconnect()
        infer = self.exchange.send(self.now)
        if infer is not None:
            self.flying += self._answers(infer)
        due = [item for item in self.flying if item[0] <= self.now]
        self.flying = [item for item in self.flying if item[0] > self.now]
        self.rng.shuffle(due)
        for _, message in due:
            if isinstance(message, Chunk):
                self.exchange.answer(message, self.now)
            else:
                self.exchange.refuse(message, self.now)
        self.exchange.expire(self.now)

    def _answers(self, infer):
        actions = np.full((8, 3), infer.captured_at_s, np.float32)
        actions[:, 1] = infer.epoch
        actions[:, 2] = np.arange(8)
        copies = int(self.rng.integers(0, 3))
        for _ in range(copies):
            delay = float(self.rng.exponential(0.2))
            if self.rng.random() < 0.1:
                code = list(ErrorCode)[self.rng.integers(len(ErrorCode))]
                yield self.now + delay, Error(infer.session, code, "x", "", infer.epoch, infer.seq)
                continue
            forged = self.rng.random() < 0.2
            yield (
                self.now + delay,
                Chunk(
                    "other" if forged else infer.session, infer.epoch, infer.seq, infer.captured_at_s,
                    SCHEMA.action_space, PERIOD_S, bool(self.rng.random() < 0.02), 0.0, actions,
                    np.zeros(8, np.float32),
                ),
            )  # fmt: skip


def run(seed, ticks=60):
    """Play one random episode; returns how many commands were proposed."""
    rng = np.random.default_rng(seed)
    network = Network(rng)
    config = SkillConfig(deadline_s=0.5, max_age_s=1.0, patience=50)
    skill = GeneralistSkill(network, DESCRIPTION, config=config)
    skill.reset(TASK)
    epoch, granted, last_seq, proposed, granted_at_s, done_epoch = 1, False, 0, 0, 0.0, 0
    for _ in range(ticks):
        network.advance()
        seen = observation(network.now)
        if rng.random() < 0.08:
            epoch, granted, last_seq = epoch + int(rng.integers(1, 3)), False, 0
        lease = Lease(Holder.VLA, epoch)
        if not granted:
            granted = skill.prepare(seen, lease) and rng.random() < 0.7
            granted_at_s = network.now
            continue
        command = skill.propose(seen, None, lease)
        done_epoch = epoch if skill.health().state is SkillState.DONE else done_epoch
        if command is None:
            continue
        proposed += 1
        assert epoch != done_epoch
        captured_at_s, of_epoch, index = (float(value) for value in command.action.values)
        assert of_epoch == command.epoch == epoch
        assert command.seq > last_seq
        last_seq = command.seq
        assert command.captured_at_s == pytest.approx(captured_at_s)
        age_s = network.now - captured_at_s
        assert 0.0 <= age_s <= 1.0 + 8 * PERIOD_S
        if captured_at_s >= granted_at_s:
            assert abs(index - round(age_s / PERIOD_S)) <= 0.5
    return proposed


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("vla_bridge").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("vla_bridge").setLevel(logging.NOTSET)


def test_two_thousand_random_episodes_never_execute_a_stale_action():
    assert sum(run(seed) for seed in range(2000)) > 10_000


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_seed(seed):
    run(seed)
