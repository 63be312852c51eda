"""`baton train`: demonstrations in simulation, then advantage-weighted regression; a kept run folder is continued.

`--method ppo` and `--method sac` learn from scratch instead, see `search_policy.baselines`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff import console
from handoff.commands.options import (
    CONFIG_OPTION,
    option_kinds,
    option_lines,
    parse_options,
    read_yaml,
    split_options,
)

if TYPE_CHECKING:
    import numpy as np

    from robots.types import Task
    from search_policy.baselines.config import PpoConfig, SacConfig
    from search_policy.episodes.world import Detect, SearchWorld


def help_lines(_command: str) -> list[str]:
    """The options of `search_policy.learning.config.TrainConfig`, and those that only PPO and SAC have."""
    from search_policy.baselines.config import CONFIGS
    from search_policy.learning.config import TrainConfig

    lines = option_lines(TrainConfig)
    for method, options in CONFIGS.items():
        own = [line for line in option_lines(options) if line.split()[0][2:] not in option_kinds(TrainConfig)]
        lines += [f"with --method {method}, which takes no demonstrations, also:", *own[:-1]]
    return lines


def run(_command: str, arguments: Sequence[str]) -> int:
    """Train and print where the exported actor lies.

    Raises:
        UsageError: The run folder belongs to another configuration, or an option has no effect.
    """
    from robots.sim.randomization import load_randomization
    from search_policy.baselines.config import CONFIGS
    from search_policy.learning.config import TrainConfig
    from search_policy.learning.idle_options import refuse_idle_options
    from search_policy.learning.trainer import train

    method = _method(arguments, TrainConfig, *CONFIGS.values())
    if method in CONFIGS:
        return _tell(_train_from_scratch(parse_options(CONFIGS[method], arguments)))
    config = parse_options(TrainConfig, arguments)
    refuse_idle_options(config)
    load_randomization(config.collect.randomization)
    return _tell(train(config, _color_shape if config.collect.detector == "color_shape" else None))


def _train_from_scratch(config: PpoConfig | SacConfig) -> Path:
    from robots.sim.randomization import load_randomization
    from search_policy.baselines.simulation import SimulatedSearch
    from search_policy.baselines.training import train_baseline

    load_randomization(config.world.randomization)
    return train_baseline(config, SimulatedSearch)


def _method(arguments: Sequence[str], *options: type[Any]) -> str:
    """Return the method that the arguments or their YAML file name, empty where they do not: it tells the options."""
    known = {name: kind for each in options for name, kind in option_kinds(each).items()}
    given = split_options(arguments, known)
    if "method" in given:
        return str(json.loads(given["method"]))
    return str(read_yaml(Path(given[CONFIG_OPTION])).get("method", "")) if CONFIG_OPTION in given else ""


def _tell(folder: Path) -> int:
    console.line(f"search policy  {folder}")
    console.line(f"evaluate       baton eval --policy {folder}")
    return 0


def _color_shape(_world: SearchWorld, task: Task, _rng: np.random.Generator) -> Detect:
    """The shipped detector, for demonstrations with its true mistakes."""
    from handoff.detectors.color_shape import ColorShapeDetector

    detector = ColorShapeDetector.shipped((task.target,))
    detector.reset(task)
    return detector.detect
