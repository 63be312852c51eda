"""The generalist skill against a fake client that the test answers by hand."""

from dataclasses import replace

import numpy as np
import pytest

from robots.specs import ArraySpec
from robots.types import ActionSpace, CameraIntrinsics, Holder, Lease, SkillState
from tests.bridge_fakes import DESCRIPTION, SCHEMA, TASK, observation
from vla_bridge.exchange import Reply
from vla_bridge.link import LinkState, LinkStatus
from vla_bridge.messages import Chunk, ReplyOutcome
from vla_bridge.skill import GeneralistSkill, SkillConfig

LEASE = Lease(Holder.VLA, 3)


class FakeClient:
    """Keeps requests; the test decides what becomes of them."""

    endpoint = "tcp://127.0.0.1:1"

    def __init__(self, schema=SCHEMA):
        self.status = LinkStatus(LinkState.READY, schema=schema, session="s", sessions=1)
        self.requests = []
        self.replies = []
        self.armed = 0

    def start(self):
        pass

    def arm(self):
        self.armed += 1

    def link(self):
        return self.status

    def request(self, arrays, **asked):
        self.requests.append(asked | {"arrays": arrays})

    def poll(self):
        return self.replies.pop(0) if self.replies else None

    def answer(self, *, done=False, value=None, epoch=None, **change):
        asked = self.requests[-1]
        epoch = asked["epoch"] if epoch is None else epoch
        start = asked["arrays"]["observation.state"][0] if value is None else value
        actions = np.full((8, 3), start, np.float32) + np.arange(8, dtype=np.float32)[:, None]
        chunk = Chunk(
            "s", epoch, asked["seq"], asked["captured_at_s"], SCHEMA.action_space, 0.1, done, 0.0, actions,
            np.zeros(8, np.float32),
        )  # fmt: skip
        chunk = replace(chunk, **change)
        self.replies.append(Reply(ReplyOutcome.OK, epoch, asked["seq"], asked["captured_at_s"], chunk, "", 0.01))

    def fail(self, outcome):
        asked = self.requests[-1]
        self.replies.append(Reply(outcome, asked["epoch"], asked["seq"], 0.0, None, "why", 0.01))


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def skill(client):
    skill = GeneralistSkill(client, DESCRIPTION, config=SkillConfig(max_age_s=2.0))
    skill.reset(TASK)
    return skill


def granted(skill, client, at_s=1.0):
    assert not skill.prepare(observation(at_s), LEASE)
    client.answer()
    assert skill.prepare(observation(at_s), LEASE)


def test_reset_arms_the_server(skill, client):
    assert client.armed == 1
    assert skill.health().state is SkillState.READY


def test_it_prefetches_under_the_pending_epoch_then_begins_at_the_first_action(skill, client):
    granted(skill, client, 1.0)
    assert client.requests[0]["epoch"] == 3
    assert client.requests[0]["instruction"] == TASK.instruction
    command = skill.propose(observation(1.2), None, LEASE)
    assert (command.holder, command.epoch, command.captured_at_s) == (Holder.VLA, 3, 1.0)
    assert command.action.values[0] == 0.0
    assert skill.propose(observation(1.3), None, LEASE).action.values[0] == 1.0


def test_seq_rises_and_the_next_chunk_is_asked_when_half_is_left(skill, client):
    granted(skill, client, 1.0)
    seqs = []
    for tick in range(4):
        seqs.append(skill.propose(observation(1.0 + 0.1 * tick), None, LEASE).seq)
        assert len(client.requests) == 1
    skill.propose(observation(1.4), None, LEASE)
    assert len(client.requests) == 2
    client.answer(value=50.0)
    command = skill.propose(observation(1.5), None, LEASE)
    assert command.action.values[0] == 51.0
    assert command.captured_at_s == 1.4
    assert [*seqs, command.seq] == sorted({*seqs, command.seq})


def test_only_one_request_is_open_at_a_time(skill, client):
    for _ in range(5):
        skill.prepare(observation(1.0), LEASE)
    assert len(client.requests) == 1


def test_a_prefetched_chunk_is_renewed_when_it_has_aged(skill, client):
    granted(skill, client, 1.0)
    skill.prepare(observation(1.4), LEASE)
    assert len(client.requests) == 1
    skill.prepare(observation(1.6), LEASE)
    assert len(client.requests) == 2


def test_chunks_of_an_old_epoch_are_never_executed(skill, client):
    skill.prepare(observation(1.0), LEASE)
    client.answer()
    newer = Lease(Holder.VLA, 5)
    assert not skill.prepare(observation(1.1), newer)
    assert skill.propose(observation(1.1), None, newer) is None
    assert client.requests[-1]["epoch"] == 5
    client.answer(epoch=3, value=99.0)
    assert skill.propose(observation(1.2), None, newer) is None
    client.answer(value=7.0)
    assert skill.propose(observation(1.2), None, newer).action.values[0] == 8.0


def test_nothing_is_proposed_after_the_chunk_has_run_out(skill, client):
    granted(skill, client, 1.0)
    skill.propose(observation(1.0), None, LEASE)
    assert skill.propose(observation(1.7), None, LEASE) is not None
    assert skill.propose(observation(1.8), None, LEASE) is None
    assert skill.health().state is SkillState.READY


def test_a_done_flag_ends_the_skill(skill, client):
    granted(skill, client, 1.0)
    skill.propose(observation(1.4), None, LEASE)
    skill.propose(observation(1.8), None, LEASE)
    client.answer(done=True)
    assert skill.propose(observation(1.9), None, LEASE) is None
    assert skill.health().state is SkillState.DONE
    skill.prepare(observation(2.0), Lease(Holder.VLA, 9))
    assert skill.health().state is SkillState.READY


@pytest.mark.parametrize("outcome", [ReplyOutcome.REJECTED, ReplyOutcome.LOST])
def test_a_rejected_or_lost_request_fails_the_skill_until_the_next_lease(skill, client, outcome):
    skill.prepare(observation(1.0), LEASE)
    client.fail(outcome)
    assert not skill.prepare(observation(1.1), LEASE)
    health = skill.health()
    assert (health.state, health.detail) == (SkillState.FAILED, f"{outcome}: why")
    assert not skill.prepare(observation(1.2), Lease(Holder.VLA, 4))
    assert skill.health().state is SkillState.READY


def test_late_answers_fail_the_skill_when_its_patience_ends(skill, client):
    for strike in range(3):
        assert skill.health().state is SkillState.READY
        skill.prepare(observation(1.0 + strike), LEASE)
        client.fail(ReplyOutcome.LATE)
    skill.prepare(observation(5.0), LEASE)
    assert skill.health().state is SkillState.FAILED


def test_a_good_answer_restores_the_patience(skill, client):
    for strike in range(6):
        at_s = 1.0 + strike
        skill.prepare(observation(at_s), LEASE)
        client.answer() if strike % 2 else client.fail(ReplyOutcome.LATE)
    skill.prepare(observation(9.0), LEASE)
    assert skill.health().state is SkillState.READY


def test_a_wrong_chunk_is_not_executed(skill, client):
    skill.prepare(observation(1.0), LEASE)
    client.answer(actions=np.full((8, 3), np.inf, np.float32))
    assert not skill.prepare(observation(1.0), LEASE)


def test_a_lost_link_fails_the_holder_and_only_warms_an_idle_skill(skill, client):
    client.status = replace(client.status, state=LinkState.LOST, detail="gone", schema=None)
    assert skill.health().state is SkillState.WARMING
    assert skill.propose(observation(1.0), None, LEASE) is None
    assert skill.health().state is SkillState.FAILED
    assert "gone" in skill.health().detail


@pytest.mark.parametrize("state", [LinkState.CONNECTING, LinkState.LOADING, LinkState.WARMING])
def test_a_server_that_is_not_ready_is_warming(skill, client, state):
    client.status = LinkStatus(state)
    assert not skill.prepare(observation(1.0), LEASE)
    assert skill.health().state is SkillState.WARMING
    assert client.requests == []


@pytest.mark.parametrize("state", [LinkState.FAILED, LinkState.REFUSED])
def test_a_server_that_cannot_serve_fails_the_skill(skill, client, state):
    client.status = LinkStatus(state, detail="because")
    assert skill.health().state is SkillState.FAILED


def spec(name, shape, dtype="float32"):
    return ArraySpec(name, shape, dtype, "1")


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        (replace(SCHEMA, observation=(spec("observation.images.left", (6, 8, 3), "uint8"),)), "images.left"),
        (replace(SCHEMA, observation=(spec("observation.images.wrist", (9, 9, 3), "uint8"),)), "images.wrist"),
        (replace(SCHEMA, observation=(spec("observation.state", (7,)),)), "observation.state"),
        (replace(SCHEMA, observation=(spec("privileged.target", (3,)),)), "privileged.target"),
        (replace(SCHEMA, action_space=ActionSpace.CARTESIAN_VELOCITY), "cartesian_velocity"),
        (replace(SCHEMA, action=spec("actions", (8, 5))), "5 values"),
    ],
)
def test_a_policy_that_does_not_fit_the_robot_is_refused_before_it_is_asked(schema, named):
    client = FakeClient(schema)
    skill = GeneralistSkill(client, DESCRIPTION)
    skill.reset(TASK)
    assert skill.health().state is SkillState.FAILED
    assert named in skill.health().detail
    assert not skill.prepare(observation(1.0), LEASE)
    assert client.requests == []


def test_privileged_arrays_come_from_their_source_in_the_schema_s_dtype():
    schema = replace(SCHEMA, observation=(*SCHEMA.observation, spec("privileged.target", (3,))))
    client = FakeClient(schema)
    skill = GeneralistSkill(client, DESCRIPTION, lambda: {"target": np.arange(3.0)})
    skill.reset(TASK)
    skill.prepare(observation(1.0), LEASE)
    sent = client.requests[0]["arrays"]
    assert set(sent) == {item.name for item in schema.observation}
    for item in schema.observation:
        item.validate(sent[item.name])


def test_a_camera_that_disappears_fails_the_skill_and_sends_nothing(skill, client):
    blind = replace(observation(1.0), images={})
    assert not skill.prepare(blind, LEASE)
    assert "observation.images.wrist" in skill.health().detail
    assert client.requests == []


def test_a_matching_camera_size_is_accepted():
    wide = replace(DESCRIPTION, cameras={"wrist": CameraIntrinsics(8, 6, 1.0), "left": CameraIntrinsics(2, 2, 1.0)})
    skill = GeneralistSkill(FakeClient(), wide)
    assert skill.health().state is SkillState.READY
