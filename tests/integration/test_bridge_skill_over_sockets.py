"""The skill on a simulated clock, over a real server: deterministic, and its failures heal."""

import numpy as np

from robots.types import Holder, Lease, SkillState
from tests.bridge_fakes import DESCRIPTION, TASK, FakeBackend, FakeConfig, RunningServer, eventually, observation
from vla_bridge.client import PolicyClient
from vla_bridge.skill import GeneralistSkill


def episode(endpoint, periods=30):
    """Drive the skill as a simulated clock does: it waits for the open request, then lets one period pass."""
    with PolicyClient(endpoint) as client:
        skill = GeneralistSkill(client, DESCRIPTION)
        skill.reset(TASK)
        eventually(lambda: skill.health().state is SkillState.READY)
        lease, now, state, sent = Lease(Holder.VLA, 2), 0.0, 0.0, []
        while not skill.prepare(observation(now, state), lease):
            assert client.wait(5.0)
            now += 0.1
        for _ in range(periods):
            command = skill.propose(observation(now, state), None, lease)
            sent.append(np.nan if command is None else float(command.action.values[0]))
            state = 0.5 * (state + np.nan_to_num(sent[-1]))
            assert client.wait(5.0)
            now += 0.1
            if skill.health().state is SkillState.DONE:
                break
        return sent, skill.health()


def test_a_simulated_episode_repeats_bit_by_bit_whatever_the_server_s_speed():
    with RunningServer() as fast, RunningServer(FakeBackend(FakeConfig(infer_s=0.03))) as slow:
        first, second = episode(fast.endpoint), episode(slow.endpoint)
    assert first == second
    assert np.isfinite(first[0]).all()
    assert len(set(first[0])) > 10


def test_it_ends_when_the_policy_says_so():
    with RunningServer(FakeBackend(FakeConfig(done_at_seq=3))) as server:
        sent, health = episode(server.endpoint)
    assert health.state is SkillState.DONE
    assert len(sent) < 30


def test_a_failing_policy_fails_the_skill_and_the_next_lease_works(caplog):
    with RunningServer(FakeBackend(FakeConfig(fail_at_seq=1))) as server, PolicyClient(server.endpoint) as client:
        skill = GeneralistSkill(client, DESCRIPTION)
        skill.reset(TASK)
        eventually(lambda: skill.health().state is SkillState.READY)
        skill.prepare(observation(0.0), Lease(Holder.VLA, 2))
        assert client.wait(5.0)
        assert not skill.prepare(observation(0.1), Lease(Holder.VLA, 2))
        assert skill.health().state is SkillState.FAILED
        skill.prepare(observation(0.2), Lease(Holder.VLA, 4))
        assert client.wait(5.0)
        assert skill.prepare(observation(0.3), Lease(Holder.VLA, 4))
        assert skill.health().state is SkillState.READY
