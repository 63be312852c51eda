"""`baton train`: demonstrations in simulation, then advantage-weighted regression; a kept run folder is continued."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from handoff import console
from handoff.commands.options import option_lines, parse_options

if TYPE_CHECKING:
    import numpy as np

    from robots.types import Task
    from search_policy.episodes.world import Detect, SearchWorld


def help_lines(_command: str) -> list[str]:
    """The options of `search_policy.learning.config.TrainConfig`."""
    from search_policy.learning.config import TrainConfig

    return option_lines(TrainConfig)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Train and print where the exported actor lies.

    Raises:
        UsageError: The run folder belongs to another configuration.
    """
    from search_policy.learning.config import TrainConfig

    config = parse_options(TrainConfig, arguments)
    from robots.sim.randomization import load_randomization
    from search_policy.learning.trainer import train

    load_randomization(config.collect.randomization)
    folder = train(config, _color_shape if config.collect.detector == "color_shape" else None)
    console.line(f"search policy  {folder}")
    console.line(f"evaluate       baton eval --policy {folder}")
    return 0


def _color_shape(_world: SearchWorld, task: Task, _rng: np.random.Generator) -> Detect:
    """The shipped detector, for demonstrations with its true mistakes."""
    from handoff.detectors.color_shape import ColorShapeDetector

    detector = ColorShapeDetector.shipped((task.target,))
    detector.reset(task)
    return detector.detect
