"""How an insight is trained: the comment above a field is its help."""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError


@dataclass(frozen=True, slots=True)
class InsightConfig:
    """A reader, trained on labelled views, and a belief, trained on maps of half-searched layouts."""

    # Tasks that share a scene, each with the same share of the layouts
    tasks: tuple[str, ...] = ("bookshelf_pineapple", "bookshelf_duck")
    # Folder of the insight; the stages' results are kept under it in `stages`, so that a killed run continues
    out: str = "runs/search/insight"
    # Folder of an insight whose reader is taken as it is; empty to train one
    reader: str = ""
    # Seed of initialisation and sampling
    seed: int = 0
    # Labelled views for the reader; their layouts have seeds from 40000
    views: int = 12_000
    # Layouts that the belief is trained on; their seeds are from 60000
    layouts: int = 3_000
    # Share of those layouts that are about the task's usual target; the others are about any other object
    usual: float = 0.5
    # Updates of the reader, and views per update
    reader_updates: int = 1_800
    reader_batch: int = 96
    # Updates of the belief, and maps per update
    belief_updates: int = 2_000
    belief_batch: int = 192
    # Largest learning rate of both (one cycle)
    learning_rate: float = 3e-3
    # Share of views and layouts that are held out to measure on
    held_out: float = 0.05
    # Width and height of the camera's image, before it is made smaller
    wrist_px: int = 168
    # What varies besides the layout: none, train, shifted, extreme, or a YAML file
    randomization: str = "train"
    # Worker processes that draw views and layouts
    workers: int = 2

    def __post_init__(self) -> None:
        counts = ("views", "layouts", "reader_updates", "belief_updates", "reader_batch", "belief_batch", "workers")
        for name in counts:
            if getattr(self, name) < 1:
                raise UsageError(f"insight: {name} must be at least 1, not {getattr(self, name)}.")
        if not self.tasks:
            raise UsageError("insight: name at least one task.")
        if not (0.0 <= self.usual <= 1.0 and 0.0 < self.held_out < 0.5 and self.learning_rate > 0.0):
            raise UsageError("insight: usual must lie in [0, 1], held_out in (0, 0.5), and learning_rate be positive.")
        if self.views > 60_000 or self.layouts > 40_000:
            raise UsageError(
                "insight: at most 60000 views and 40000 layouts, so that seeds stay in the training range."
            )
