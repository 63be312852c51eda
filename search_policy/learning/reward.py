"""The reward: named terms, logged apart. Success dominates; every control step costs."""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError


@dataclass(frozen=True, slots=True)
class RewardConfig:
    """Weights of the terms."""

    # Finding the target: centred, seen repeatedly, and truly the target
    success: float = 1.0
    # Cost of one control step
    step: float = 0.005
    # Fraction of the region seen for the first time
    coverage: float = 0.0
    # Cost of a control step in forbidden contact
    collision: float = 0.02

    def __post_init__(self) -> None:
        if self.success <= 0.0 or min(self.step, self.coverage, self.collision) < 0.0:
            raise UsageError("reward: success must be positive and the other weights not negative.")


@dataclass(frozen=True, slots=True)
class DecisionOutcome:
    """What happened between one decision and the next.

    Attributes:
        steps: Control steps.
        found: Whether the episode ended with the target found.
        coverage_gain: Fraction of the region newly seen.
        collisions: Control steps in forbidden contact.
    """

    steps: int
    found: bool
    coverage_gain: float
    collisions: int


def reward_terms(outcome: DecisionOutcome, config: RewardConfig, discount: float) -> dict[str, float]:
    """Return the named terms of a decision's reward; the decision's reward is their sum.

    The step cost is the discounted sum over the decision's control steps, sum_{i<k} discount^i; the success is paid
    on the last of them.

    Args:
        outcome: What happened.
        config: Weights.
        discount: Per control step.
    """
    steps = outcome.steps
    spent = (1.0 - discount**steps) / (1.0 - discount) if discount < 1.0 else float(steps)
    return {
        "success": config.success * outcome.found * discount ** max(steps - 1, 0),
        "step": -config.step * spent,
        "coverage": config.coverage * outcome.coverage_gain,
        "collision": -config.collision * outcome.collisions,
    }
