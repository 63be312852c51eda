"""Configuration of the heads: the comment above a field is its help."""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError

CATEGORICAL, SQUASHED = "categorical", "squashed"
HEADS = {
    CATEGORICAL: "scores each candidate view (action space viewpoint)",
    "gaussian": "one normal distribution over chunks, learned standard deviation (twist)",
    "mixture": "a mixture of normal distributions over chunks (twist)",
    "flow": "a flow-matching teacher distilled into a one-step sampler of chunks (twist)",
    SQUASHED: "one normal distribution through tanh, for learning from own actions: ppo and sac (twist)",
}
DEVIATIONS = {"state": "predicted from the agent state", "free": "one parameter per entry of the chunk"}


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Sizes of the heads over chunks."""

    # Standard deviation of gaussian and mixture: state (predicted) or free (one parameter per entry)
    deviation: str = "state"
    # Components of the mixture
    components: int = 4
    # Euler steps of the flow's teacher
    flow_steps: int = 10
    # Width of the flow's layers
    flow_width: int = 256
    # Weight of the one-step sampler's distillation beside the flow-matching loss
    distillation: float = 1.0

    def __post_init__(self) -> None:
        if self.deviation not in DEVIATIONS:
            raise UsageError.unknown("standard deviation", self.deviation, DEVIATIONS)
        if min(self.components, self.flow_steps, self.flow_width) < 1 or self.distillation <= 0.0:
            raise UsageError("policy: components, flow_steps, flow_width must be at least 1, distillation positive.")
