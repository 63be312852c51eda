"""Configuration of the twist action space: the comment above a field is its help."""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError

AXES = ("forward", "left", "up", "yaw", "pitch")


@dataclass(frozen=True, slots=True)
class TwistConfig:
    """How chunks of levelled camera twists are chosen, executed and demonstrated."""

    # Control steps per chunk
    horizon: int = 5
    # Rate at which the camera's roll is taken back [1/s]
    level_per_s: float = 4.0
    # Air that is left between hand and furniture [m]
    margin_m: float = 0.02
    # Chunks in a row that show nothing new before the search is exhausted
    patience_chunks: int = 60
    # Fraction of the region that must be newly seen to count as something new
    news: float = 0.002
    # Control steps after which the search is exhausted; 0 sets no limit
    max_steps: int = 0
    # Distance and angle at which a candidate view counts as visited in passing [m] [rad]
    pass_m: float = 0.08
    pass_rad: float = 0.3
    # The policy centres the target by itself; otherwise the fixation servo does, in demonstrations as in use
    centres: bool = False

    def __post_init__(self) -> None:
        if min(self.horizon, self.patience_chunks) < 1 or self.max_steps < 0:
            raise UsageError("twist: horizon and patience_chunks must be at least 1, and max_steps not negative.")
        if min(self.level_per_s, self.margin_m, self.news) < 0.0 or min(self.pass_m, self.pass_rad) <= 0.0:
            raise UsageError(
                "twist: level_per_s, margin_m and news must not be negative, pass_m and pass_rad positive."
            )
