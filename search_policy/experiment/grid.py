"""The cells of a comparison, in an order that leaves a usable report behind at any time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from robots.errors import UsageError
from robots.sim.tasks import scene_of
from search_policy.experiment.config import ExperimentConfig
from search_policy.learning.config import TWIST, VIEWPOINT, CollectConfig, TrainConfig
from search_policy.learning.heads.config import CATEGORICAL
from search_policy.skill import SearchConfig

SCENE = "{scene}"
WEIGHTED = ("aawr", "awr")  # the methods whose loss can take every open view's weight
RUNS, DEMONSTRATIONS = "runs", "demonstrations"


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """What a method is compared in: the results of one setting are paired.

    Attributes:
        task: Task name.
        action_space: What a decision is.
        memory: Memory of earlier decisions.
        demonstrations: Episodes that are learned from; 0 where nothing is learned.
        online: Episodes of the online phase.
    """

    task: str
    action_space: str = VIEWPOINT
    memory: str = "none"
    demonstrations: int = 0
    online: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One unit of work: a training with its evaluation, or the evaluation of a scripted searcher.

    Attributes:
        setting: Where it belongs.
        method: A way to learn, or a scripted searcher.
        seed: Training seed; 0 where nothing is learned.
    """

    setting: Setting
    method: str
    seed: int = 0

    @property
    def learned(self) -> bool:
        """Whether there is anything to train."""
        return self.setting.demonstrations > 0

    @property
    def name(self) -> str:
        """Its file name, without an ending."""
        place = self.setting
        if not self.learned:
            return f"{place.task}-{self.method}"
        parts = [place.task, self.method, f"n{place.demonstrations}", f"s{self.seed}"]
        parts += [place.action_space] if place.action_space != VIEWPOINT else []
        parts += [place.memory] if place.memory != "none" else []
        parts += [f"online{place.online}"] if place.online else []
        return "-".join(parts)


def cells(config: ExperimentConfig) -> list[Cell]:
    """Return every cell: scripted searchers first, then one training seed after the other."""
    scripted = [Cell(Setting(task), name) for task in config.tasks for name in config.scripted]
    learned = [
        Cell(Setting(task, space, memory, size, online), method, seed)
        for seed in range(config.seeds)
        for size in sorted(set(config.demonstrations))
        for online in config.online
        for space in config.action_spaces
        for memory in config.memories
        for task in config.tasks
        for method in config.methods
    ]
    return [*scripted, *learned]


def part_of(config: ExperimentConfig) -> list[Cell]:
    """Return the cells that this machine does."""
    number, count = config.part
    return cells(config)[number::count]


def data_folder(config: ExperimentConfig, task: str, action_space: str) -> Path:
    """Return where a task's demonstrations are."""
    root = Path(config.data) if config.data else Path(config.out) / DEMONSTRATIONS
    return root / (task if action_space == VIEWPOINT else f"{task}-{action_space}")


def search_config(config: ExperimentConfig, task: str) -> SearchConfig:
    """Return how the skill looks around in a task's scene; `{scene}` in the insight's folder stands for its name."""
    search = config.train.search
    return replace(search, insight=search.insight.replace(SCENE, scene_of(task)))


def train_config(config: ExperimentConfig, cell: Cell) -> TrainConfig:
    """Return the training run of a learned cell.

    Raises:
        UsageError: The training cannot be combined, for instance with another action space's head.
    """
    base, place = config.train, cell.setting
    if not cell.learned:
        raise UsageError(f"experiment: {cell.method} learns nothing.")
    return replace(
        base,
        method=cell.method,
        choices=base.choices if cell.method in WEIGHTED else "taken",
        search=search_config(config, place.task),
        seed=cell.seed,
        action_space=place.action_space,
        head=config.twist_head if place.action_space == TWIST else CATEGORICAL,
        memory=replace(base.memory, kind=place.memory),
        online=replace(base.online, episodes=place.online, workers=1, engine="process", address=""),
        data=str(data_folder(config, place.task, place.action_space)),
        out=str(Path(config.out) / RUNS / cell.name),
        collect=replace(
            base.collect,
            tasks=(place.task,),
            episodes=place.demonstrations,
            action_space=place.action_space,
        ),
    )


def collect_config(config: ExperimentConfig, task: str, action_space: str) -> CollectConfig:
    """Return how a task's demonstrations are recorded."""
    return replace(
        config.train.collect,
        tasks=(task,),
        episodes=recorded(config),
        workers=config.workers,
        action_space=action_space,
    )


def recorded(config: ExperimentConfig) -> int:
    """Return how many demonstrations of each task are recorded: whole shards, so that more can follow later."""
    shard = config.train.collect.shard_episodes
    return -(-max(config.demonstrations) // shard) * shard
