"""Steps, outcomes and a layout for tests of recorded datasets."""

import numpy as np

from handoff.dataset.columns import DatasetLayout
from handoff.interfaces import Step, TriggerDecision, TriggerState
from handoff.outcome import Outcome
from handoff.phases import Phase, Status, StopReason
from robots.types import Action, ActionSpace, Holder, Lease, Observation, Privileged, Task

JOINTS = ("shoulder", "elbow", "wrist")
TASK = Task("shelf", "duck", "Pick up the duck.")


def layout(*, video=False, px=16, privileged=None):
    return DatasetLayout("fake", 15, JOINTS, {"wrist": (px, px)}, privileged or {}, video)


def outcome(reason=StopReason.COMPLETED):
    return Outcome(reason, 5, None, 0, 0, (), 1.0, {})


def image(index, px=16):
    rows, columns = np.mgrid[:px, :px]
    return np.stack([rows * 7 + index * 3, columns * 7, rows + columns], axis=-1).astype(np.uint8)


def step(index, *, px=16, holder=Holder.SEARCH, sent=None):
    observation = Observation(
        captured_at_s=index / 15,
        capture_id=index,
        images={"wrist": image(index, px)},
        joint_positions_rad=np.array([0.1, 0.2, 0.3]) * index,
        joint_velocities_rad_s=np.zeros(3),
        gripper=0.25,
        gripper_to_world=np.eye(4),
        camera_to_world={},
    )
    return Step(
        index=index,
        now_s=index / 15,
        observation=observation,
        frame=None,
        decision=TriggerDecision(TriggerState.ABSENT, 0.0, None, False, False, 0.0),
        status=Status(Phase.SEARCH, Lease(holder, 1), 0.0, 0.0),
        cause="",
        sent=sent or Action(ActionSpace.JOINT_POSITION, np.array([0.1, 0.2, 0.3]) * (index + 1), 0.75),
        refusal="",
    )


def truth():
    return Privileged({"target_position_m": np.array([0.5, 0.1, 1.0])})


def record(recorder, steps=5, *, task=TASK, reason=StopReason.COMPLETED, **options):
    recorder.begin(task)
    for index in range(steps):
        recorder.step(step(index, **options))
    recorder.end(outcome(reason))
    return recorder
