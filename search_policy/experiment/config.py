"""Configuration of a comparison: the comment above a field is its help."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from robots.errors import UsageError
from search_policy.learning.config import ACTION_SPACES, METHODS, TRAIN_SEEDS, TrainConfig
from search_policy.learning.recall.config import KINDS
from search_policy.online.config import ENGINES

SCRIPTED = {
    "sweep": "exhaustive scan, compartment by compartment",
    "coverage": "planned next best views, uniform prior",
    "random": "random views",
    "oracle": "quickest view that shows the target (privileged)",
}
ORACLE = "oracle"
# What chooses cells or where they run, but changes no cell
_APART = (
    *("tasks", "methods", "scripted", "demonstrations", "seeds", "action_spaces", "memories", "online", "comparisons"),
    *("out", "data", "workers", "engine", "address", "shard", "report_only"),
)


@dataclass(frozen=True, slots=True)
class ExperimentConfig:
    """A grid of trainings and evaluations, every method on the same layouts.

    Raises:
        UsageError: A value is out of range, or a name does not exist.
    """

    # Tasks; each has demonstrations of its own
    tasks: tuple[str, ...] = ("bookshelf_pineapple", "shelf_cabinet")
    # Ways to learn: aawr, awr, bc, distillation, vib
    methods: tuple[str, ...] = ("aawr", "awr", "bc")
    # Searchers without training beside them: sweep, coverage, random, oracle
    scripted: tuple[str, ...] = ("sweep", "coverage", "random", "oracle")
    # Sizes of the demonstration set; the smaller ones are the first episodes of the largest
    demonstrations: tuple[int, ...] = (50, 100, 200, 600)
    # Training seeds of every learned cell, from 0
    seeds: int = 5
    # What a decision is: viewpoint, twist
    action_spaces: tuple[str, ...] = ("viewpoint",)
    # Memory of earlier decisions: none, window, gru, attention
    memories: tuple[str, ...] = ("none",)
    # Online episodes after the offline phase; 0 is offline only
    online: tuple[int, ...] = (0,)
    # Head of the actor where the action space is twist
    twist_head: str = "gaussian"
    # Layouts per task and appearance
    layouts: int = 200
    # Seed of the first layout: 100000 to 199999 are for validation, the test layouts start at 200000
    first_layout: int = 100_000
    # Randomisation of the layouts' appearance: presets none, train, shifted, extreme, or YAML files
    appearances: tuple[str, ...] = ("train", "shifted")
    # Control steps after which an episode is cut off; a failure counts as that many
    max_steps: int = 400
    # Planned comparisons, first against second; the first appearance is tested
    comparisons: tuple[str, ...] = (
        *("aawr>awr", "aawr>bc", "awr>bc", "aawr>distillation", "aawr>vib"),
        *("aawr>coverage", "aawr>random", "aawr>sweep"),
    )
    # Training: everything but method, seed, memory, online episodes and folders
    train: TrainConfig = field(default_factory=TrainConfig)
    # Folder of recorded demonstrations, one folder per task in it; empty records them into the run folder
    data: str = ""
    # Folder of the run; finished cells in it are kept
    out: str = ""
    # Worker processes or Ray workers; 1 works in this process
    workers: int = 2
    # Who trains and evaluates: process (this machine) or ray (a cluster; needs the extra `ray`)
    engine: str = "process"
    # Address of a running Ray cluster; empty starts one on this machine
    address: str = ""
    # Part of the cells that this machine does, for instance 1/2
    shard: str = "1/1"
    # Only write the report of the finished cells
    report_only: bool = False

    def __post_init__(self) -> None:
        self._check_names()
        if self.seeds < 1 or self.layouts < 1 or self.max_steps < 1 or self.workers < 1:
            raise UsageError("experiment: seeds, layouts, max_steps and workers must be at least 1.")
        if not self.tasks or not (self.methods or self.scripted) or not self.appearances:
            raise UsageError("experiment: name at least one task, one method and one appearance.")
        if not self.demonstrations or min(self.demonstrations) < 1:
            raise UsageError("experiment: demonstrations must be sizes of at least 1.")
        if not self.online or min(self.online) < 0:
            raise UsageError("experiment: online must hold numbers of episodes, none negative.")
        if self.first_layout <= TRAIN_SEEDS[-1]:
            raise UsageError(
                f"experiment: first_layout must be {TRAIN_SEEDS[-1] + 1} or more, not {self.first_layout}: "
                "layouts below are trained on."
            )
        self.part  # noqa: B018  checks the shard
        self.pairs  # noqa: B018  checks the comparisons

    @property
    def layout_seeds(self) -> range:
        """Seeds of the layouts that every method searches."""
        return range(self.first_layout, self.first_layout + self.layouts)

    @property
    def part(self) -> tuple[int, int]:
        """Number of this machine, from 0, and how many there are.

        Raises:
            UsageError: `shard` is not of the form i/n.
        """
        number, slash, count = self.shard.partition("/")
        if not (slash and number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
            raise UsageError(f"experiment: shard must be of the form 1/2 (first of two), not {self.shard!r}.")
        return int(number) - 1, int(count)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The planned comparisons.

        Raises:
            UsageError: One is not of the form first>second, or names no method.
        """
        pairs = []
        for text in self.comparisons:
            first, mark, second = text.partition(">")
            if not mark:
                raise UsageError(f"experiment: a comparison is written first>second, not {text!r}.")
            for name in (first, second):
                if name not in METHODS and name not in SCRIPTED:
                    raise UsageError.unknown("method", name, [*METHODS, *SCRIPTED])
            pairs.append((first, second))
        return tuple(pairs)

    def identity(self) -> dict[str, Any]:
        """What makes cells comparable: everything but which cells there are, and where and how they run."""
        described = {name: value for name, value in asdict(self).items() if name not in _APART}
        for name in ("method", "seed", "out", "data", "head", "action_space"):
            described["train"].pop(name)
        for name in ("tasks", "episodes", "workers", "action_space"):
            described["train"]["collect"].pop(name)
        for name in ("episodes", "workers", "engine", "address"):
            described["train"]["online"].pop(name)
        described["train"]["memory"].pop("kind")
        return described

    def _check_names(self) -> None:
        for kind, names, choices in (
            ("method", self.methods, METHODS),
            ("scripted searcher", self.scripted, SCRIPTED),
            ("action space", self.action_spaces, ACTION_SPACES),
            ("memory kind", self.memories, KINDS),
            ("engine", (self.engine,), ENGINES),
        ):
            for name in names:
                if name not in choices:
                    raise UsageError.unknown(kind, name, choices)
