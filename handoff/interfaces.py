"""What the controller asks of its parts. Each protocol has two to five methods; its docstring is the contract."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from handoff.outcome import Outcome
from handoff.phases import Status
from robots.types import (
    Action,
    Command,
    Detection,
    DetectionFrame,
    Lease,
    Observation,
    SkillHealth,
    SkillState,
    Task,
)

__all__ = [
    "Clock",
    "Detector",
    "Recorder",
    "Robotic",
    "Skill",
    "SkillHealth",
    "SkillState",
    "Step",
    "Trigger",
    "TriggerDecision",
    "TriggerState",
]


class Skill(Protocol):
    """Something that can hold a lease and propose commands: the search policy, the fixation servo, the VLA client.

    No method blocks, waits for a network or raises for a fault of a peer: faults are reported by `health`.
    """

    def reset(self, task: Task) -> None:
        """Forget the last episode and prepare for `task`."""
        ...

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Called every period while `lease` is pending and the gate still holds the robot.

        Returns True once the first command under `lease` can be proposed at once.
        """
        ...

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Return the command for this period under `lease`, or None while there is nothing valid: the gate then holds.

        Args:
            observation: The newest observation.
            frame: The newest detector result, possibly older than the observation, or None before the first.
            lease: The current lease; `holder` and `epoch` must be copied into the command.
        """
        ...

    def health(self) -> SkillHealth:
        """Return the state since the last `reset`, `prepare` or `propose`."""
        ...


class Detector(Protocol):
    """Finds the target in images. May be slow: `submit` starts work, `latest` never waits."""

    def reset(self, task: Task) -> None:
        """Look for `task.target` from now on; results of earlier observations must not be returned any more."""
        ...

    def submit(self, observation: Observation) -> None:
        """Offer a new observation. A busy detector may skip it."""
        ...

    def latest(self) -> DetectionFrame | None:
        """Return the newest finished result, or None before the first. The same frame may be returned again."""
        ...


class TriggerState(StrEnum):
    """What the trigger makes of the evidence so far."""

    ABSENT = "absent"  # nothing worth a second look
    CANDIDATE = "candidate"  # enough evidence to stop and look again
    CONFIRMED = "confirmed"  # the sequential test accepted, and the fixation guards hold
    REJECTED = "rejected"  # the sequential test rejected the candidate, or ran out of frames


@dataclass(frozen=True, slots=True)
class TriggerDecision:
    """The trigger's view of one control period.

    Attributes:
        state: See `TriggerState`.
        evidence_nats: The running log-likelihood ratio: of the CUSUM while searching, of the SPRT while verifying.
        target: The tracked detection in the newest fresh frame, or None.
        visible: Whether the target was seen in the newest fresh frame (also judged after the handoff).
        fixated: Whether the fixation guards (centred, near enough, inside the image, still) hold.
        frame_age_s: Age of the newest detector result [s]; infinity before the first.
        detail: Which guard or bound is missing, for the log.
    """

    state: TriggerState
    evidence_nats: float
    target: Detection | None
    visible: bool
    fixated: bool
    frame_age_s: float
    detail: str = ""


class Trigger(Protocol):
    """Decides from a stream of detector results that the target is found. Pure bookkeeping: no I/O, no own clock."""

    def reset(self, task: Task) -> None:
        """Forget all evidence."""
        ...

    def verify(self) -> None:
        """Begin the second stage: from now on judge only frames captured later than the newest one seen so far."""
        ...

    def search(self) -> None:
        """Go back to the first stage with no evidence, for instance after a rejected candidate or a failed grasp."""
        ...

    def update(self, frame: DetectionFrame | None, observation: Observation, now: float) -> TriggerDecision:
        """Take in the newest detector result and return the decision for this control period.

        A repeated or stale frame adds no evidence. `now` is on the clock of `Observation.captured_at_s` [s].
        """
        ...


class Robotic(Protocol):
    """The part of a robot that the gate uses."""

    def send_action(self, action: Action) -> Action:
        """See `robots.robot.Robot.send_action`."""
        ...

    def hold(self) -> Action:
        """See `robots.robot.Robot.hold`."""
        ...


class Clock(Protocol):
    """The loop's time source."""

    def now(self) -> float:
        """Seconds on a monotonic scale."""
        ...

    def sleep_until(self, deadline_s: float) -> None:
        """Return at `deadline_s`, or at once when it has passed."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Everything that happened in one control period, for the recorder.

    Attributes:
        index: Number of the control period in the episode, from 0.
        now_s: Loop time at the start of the period [s].
        observation: What the robot measured.
        frame: The newest detector result, or None.
        decision: The trigger's decision.
        status: The authority's status after this period's step.
        cause: Why the phase changed in this period; empty when it did not.
        sent: The action that the robot really executed.
        refusal: Why the gate refused the holder's command and held instead; empty when it executed it.
    """

    index: int
    now_s: float
    observation: Observation
    frame: DetectionFrame | None
    decision: TriggerDecision
    status: Status
    cause: str
    sent: Action
    refusal: str


class Recorder(Protocol):
    """Writes an episode down. Must not block the loop, and must not fail it: losses are counted, not raised."""

    def begin(self, task: Task) -> None:
        """Start a new episode."""
        ...

    def step(self, step: Step) -> None:
        """Take in one control period."""
        ...

    def end(self, outcome: Outcome | None) -> None:
        """Close the episode; None when it was cut short by an error or an interrupt."""
        ...
