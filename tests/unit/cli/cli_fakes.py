"""A world without physics: scripted episodes through the real recorders."""

import contextlib

import numpy as np

from handoff.episode_log import EpisodeLog
from handoff.interfaces import Step, TriggerDecision, TriggerState
from handoff.outcome import Outcome
from handoff.phases import HOLDERS, Phase, Status, StopReason
from handoff.records import COLUMNS, EpisodeRecord
from handoff.video import Filming
from robots.types import Action, ActionSpace, Detection, DetectionFrame, Lease, Observation, Task

TASK = Task("bookshelf_pineapple", "pineapple", "Pick up the pineapple.")
BOX = (40.0, 30.0, 90.0, 100.0)


class ScriptedJudge:
    """Says what the script says."""

    def __init__(self, *, seen=True, held=True, oracle=10):
        self.seen, self.held, self.oracle = seen, held, oracle
        self.boxes = []

    def target_seen(self, box_xyxy_px):
        self.boxes.append(box_xyxy_px)
        return self.seen

    def target_held(self):
        return self.held

    def collided(self):
        return False

    def oracle_steps(self):
        return self.oracle


def observation(index, size_px=128):
    shade = np.linspace(40, 200, size_px, dtype=np.uint8)
    image = np.broadcast_to(shade[:, None, None], (size_px, size_px, 3)).copy()
    image[:, :, 0] = (image[:, :, 0].astype(int) + 3 * index) % 255
    return Observation(
        index / 15, index, {"wrist": image}, np.zeros(7), np.zeros(7), 0.0, np.eye(4), {"wrist": np.eye(4)}
    )


def make_step(index, phase, *, epoch=1, handoffs=0, box=None, cause="", refusal=""):
    target = Detection(box, 0.9, "pineapple") if box else None
    now = index / 15
    frame = DetectionFrame(index, now, "wrist", 128, 128, (Detection(BOX, 0.4, "pineapple"),) if index % 3 else ())
    state = TriggerState.CONFIRMED if box else TriggerState.ABSENT
    decision = TriggerDecision(state, 4.2 if box else -0.3, target, bool(box), bool(box), 0.05)
    status = Status(phase, Lease(HOLDERS[phase], epoch), now, 0.0, handoffs=handoffs)
    sent = Action(ActionSpace.JOINT_POSITION, np.zeros(7))
    return Step(index, now, observation(index), frame, decision, status, cause, sent, refusal)


def script(length):
    """Phases of an ordinary episode that hands over two thirds in."""
    marks = [(0.0, Phase.HOLD), (0.02, Phase.SEARCH), (0.5, Phase.VERIFY), (0.6, Phase.SETTLE), (0.63, Phase.PREFETCH)]
    marks += [(0.66, Phase.GRASP), (0.9, Phase.CHECK), (0.97, Phase.DONE)]
    for index in range(length):
        number = max(i for i, (share, _) in enumerate(marks) if index >= share * length)
        phase = marks[number][1]
        yield make_step(
            index,
            phase,
            epoch=number + 1,
            handoffs=int(index >= 0.66 * length),
            box=BOX if 0.5 <= index / length < 0.9 else None,
            cause="scripted",
        )


def outcome_of(length):
    return Outcome(StopReason.COMPLETED, length, int(0.66 * length), 1, 0, (0.2,), length / 15, {"stale": 2})


class ScriptedWorld:
    """Runs scripted episodes; methods differ in length and success, by seed only."""

    def __init__(self, config, folder, *, stop_after=None):
        self.config, self.folder, self.left = config, folder, stop_after

    def run(self, job):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        generator = np.random.default_rng(job.seed)
        length = int(generator.integers(60, 120)) + 40 * self.config.methods.index(job.method)
        seen = generator.random() < 0.9
        judge = ScriptedJudge(seen=seen, held=seen and generator.random() < 0.8)
        filming = Filming("wrist", None, lambda: np.full((96, 128, 3), 90, np.uint8), 15.0, wait=True)
        with EpisodeLog(self.folder, job, judge, filming) as log:
            log.recorder.begin(TASK)
            for step in script(length):
                log.recorder.step(step)
            log.recorder.end(outcome_of(length))
        return log.record(TASK, outcome_of(length), absent=self.config.variant == "absent")


class ScriptedCrew:
    """Runs all jobs in this process."""

    def __init__(self, world):
        self.world = world

    def run(self, jobs):
        for job in jobs:
            yield self.world.run(job)


def open_scripted(stop_after=None):
    @contextlib.contextmanager
    def open_crew(config, folder):
        yield ScriptedCrew(ScriptedWorld(config, folder, stop_after=stop_after))

    return open_crew


def record(**changes):
    values = {
        **dict.fromkeys(COLUMNS, 0),
        "method": "search+handoff",
        "seed": 3,
        "task": "t, with comma",
        "absent": False,
        "stop_reason": "completed",
        "found": True,
        "completed": None,
        "steps": 90,
        "steps_to_find": 40,
        "oracle_steps": None,
        "handoff_latency_ms": (200.0, 1.5),
        "refusals": {"stale": 2},
        "duration_s": 6.0,
        "video": "",
    }
    return EpisodeRecord(**{**values, **changes})
