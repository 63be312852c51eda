"""Configuration of the agent state's memory: the comment above a field is its help."""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError

KINDS = {
    "none": "the newest decision frame alone; the seen-map is the memory",
    "window": "the last frames side by side",
    "gru": "a gated recurrent unit over the last frames",
    "attention": "attention of the newest frame over the last ones",
}
HEADS = 4


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """What actor and critic remember of the running episode's earlier decisions."""

    # Memory of earlier decision frames: none, window, gru or attention
    kind: str = "none"
    # Earlier decision frames that are remembered
    length: int = 8
    # Width of what is remembered
    width: int = 64

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError.unknown("memory kind", self.kind, KINDS)
        if min(self.length, self.width) < 1:
            raise UsageError(f"memory: length and width must be at least 1, not {self.length} and {self.width}.")
        if self.kind == "attention" and self.width % HEADS:
            raise UsageError(f"memory: attention needs a width that {HEADS} divides, not {self.width}.")

    @property
    def frames(self) -> int:
        """Earlier decision frames that batches must carry."""
        return 0 if self.kind == "none" else self.length
