"""The simulation expert plans once per epoch, follows the measured posture, and refuses what it does not see."""

import json
from dataclasses import replace

import numpy as np
import pytest

from robots.errors import PlanningError, SpecError
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.types import Action, ActionSpace
from vla_bridge.backends.expert import LABEL, ExpertBackend, ExpertConfig
from vla_bridge.messages import Infer

SEED = 100_001
DT_S = 1 / 15


@pytest.fixture(scope="module")
def backend():
    backend = ExpertBackend(ExpertConfig(min_visible_fraction=0.0))
    backend.load()
    backend.warm()
    return backend


@pytest.fixture
def robot():
    with MujocoRobot(SimConfig(), lambda: 0.0) as robot:
        robot.reset(sample_episode("bookshelf_pineapple", SEED))
        yield robot


def request_of(robot, *, epoch, seq, captured_at_s, session="s"):
    text = json.dumps(robot.spec.to_dict()).encode()
    return Infer(
        session=session,
        epoch=epoch,
        seq=seq,
        captured_at_s=captured_at_s,
        deadline_s=1.0,
        instruction="",
        arrays={
            "observation.joint_positions": robot.get_observation().joint_positions_rad.astype(np.float32),
            "privileged.episode": np.frombuffer(text, dtype=np.uint8),
            "privileged.qpos": robot.data.qpos.copy(),
        },
    )


def test_it_is_labelled_as_privileged(backend):
    assert backend.schema.policy == LABEL == "simulation expert (privileged)"


def test_executing_its_chunks_picks_the_target(backend, robot):
    done, now, seq = False, 0.0, 0
    while not done and now < 30.0:
        seq += 1
        answer = backend.infer(request_of(robot, epoch=1, seq=seq, captured_at_s=now))
        done = answer.done
        for joints, gripper in zip(answer.actions[:8], answer.gripper[:8], strict=True):
            robot.send_action(Action(ActionSpace.JOINT_POSITION, joints, float(gripper)))
            now += DT_S
    assert done
    assert PrivilegedView(robot).judge().success


def test_a_new_epoch_gets_a_new_plan_and_a_pause_does_not_skip_ahead(backend, robot):
    first = backend.infer(request_of(robot, epoch=7, seq=1, captured_at_s=0.0))
    paused = backend.infer(request_of(robot, epoch=7, seq=2, captured_at_s=2.0))
    assert np.abs(paused.actions[0] - first.actions[0]).max() < 0.1
    again = backend.infer(request_of(robot, epoch=8, seq=3, captured_at_s=2.1))
    assert not again.done
    assert np.abs(again.actions[0] - first.actions[0]).max() < 0.05


def test_an_absent_target_is_refused(backend, robot):
    robot.reset(sample_episode("bookshelf_pineapple", SEED, variant="absent"))
    with pytest.raises(PlanningError, match="not in the scene"):
        backend.infer(request_of(robot, epoch=1, seq=1, captured_at_s=0.0, session="absent"))


def test_a_target_out_of_view_is_refused(robot):
    backend = ExpertBackend(ExpertConfig(min_visible_fraction=0.2))
    backend.load()
    away = replace(robot.spec, home_rad=(1.2, *robot.spec.home_rad[1:]))
    robot.reset(away)
    with pytest.raises(PlanningError, match="visible in the wrist image"):
        backend.infer(request_of(robot, epoch=1, seq=1, captured_at_s=0.0))


def test_a_malformed_episode_or_state_is_refused(backend, robot):
    good = request_of(robot, epoch=1, seq=1, captured_at_s=0.0, session="bad")
    for name, value in (
        ("privileged.episode", np.frombuffer(b"{not json", dtype=np.uint8)),
        ("privileged.episode", np.frombuffer(b"[1]", dtype=np.uint8)),
        ("privileged.qpos", np.zeros(3)),
    ):
        with pytest.raises(SpecError, match=name):
            backend.infer(replace(good, arrays={**good.arrays, name: value}))


def test_reset_forgets_only_its_session(backend, robot):
    kept = request_of(robot, epoch=1, seq=1, captured_at_s=0.0, session="kept")
    backend.infer(kept)
    backend.reset("other")
    assert ("kept", 1) in backend._attempts
    backend.reset("kept")
    assert ("kept", 1) not in backend._attempts
