"""What stands in for the generalist in a run that only searches."""

from __future__ import annotations

from robots.types import Command, DetectionFrame, Lease, Observation, SkillHealth, SkillState, Task


class StopWhenFound:
    """Satisfies `handoff.interfaces.Skill`; it never moves the robot, and notes that a handoff was wanted."""

    def __init__(self) -> None:
        self.found = False

    def reset(self, task: Task) -> None:
        """Start again."""
        self.found = False

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Being asked to prepare means that the trigger confirmed the target."""
        self.found = True
        return False

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Nothing."""
        return None

    def health(self) -> SkillHealth:
        """Always ready."""
        return SkillHealth(SkillState.READY)
