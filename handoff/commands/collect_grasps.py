"""`baton collect-grasps`: demonstrations of grasps in simulation as one LeRobotDataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff import console
from handoff.commands.grasp_columns import columns_of, part_format
from handoff.commands.grasp_policies import shared_policy, shared_world
from handoff.commands.jobs import Row, each, read_rows, to_lines, workers
from handoff.commands.options import option_lines, parse_options
from handoff.dataset.folder import DatasetFolder
from robots.errors import UsageError
from robots.run_claim import claim

if TYPE_CHECKING:
    from handoff.dataset.image_part import PartFormat
    from robots.sim.grasping.demonstrations import Demonstration, DemonstrationConfig, Demonstrator

ROWS = "rows.jsonl"
BATCH = 6  # layouts per job: a kill loses at most the batches in progress
TEST_SEEDS = 200_000


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """Options of `baton collect-grasps`.

    Raises:
        UsageError: A value is out of range.
    """

    # Layouts, one demonstration each where a start is found and the grasp succeeds
    episodes: int = 400
    # Seed of the first layout; training layouts lie below 100000
    seed_base: int = 0
    # Processes that record; one is this process itself
    workers: int = 2
    # Task whose layouts are drawn
    task: str = "bookshelf_pineapple"
    # Kinds of start and their shares, `name:share`; empty for the default mixture
    bins: tuple[str, ...] = ()
    # Classes that are named, one named twice twice as often; empty for every graspable one
    targets: tuple[str, ...] = ()
    # Share of layouts with look-alikes of the named object
    distractors: float = 0.25
    # Share of the starts where every way to the object is blocked that are recorded, with refusal as their label
    refused: float = 0.4
    # Chance that a burst of noise begins in a control period
    noise: float = 0.04
    # Folder of a trained policy that drives in turn with the expert, whose actions are recorded; empty for none
    policy: str = ""
    # With a policy: share of the time that the expert drives
    beta: float = 0.5
    # Folder of the dataset; finished episodes in it are kept
    out: str = ""

    def __post_init__(self) -> None:
        for name, least in {"episodes": 1, "seed_base": 0, "workers": 1}.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, not {getattr(self, name)}.")
        for name in ("distractors", "refused", "noise", "beta"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} must lie in [0, 1], not {getattr(self, name)}.")
        if not self.out:
            raise UsageError("collect-grasps: name the folder of the dataset with --out.")
        if self.seed_base + self.episodes > TEST_SEEDS:
            raise UsageError(f"Layouts from seed {TEST_SEEDS} on are for tests: nothing is recorded from them.")

    @property
    def seeds(self) -> range:
        """The layouts' seeds."""
        return range(self.seed_base, self.seed_base + self.episodes)

    def identity(self) -> dict[str, Any]:
        """What makes episodes comparable: everything but how many there are, and where and how they are recorded."""
        apart = ("out", "workers", "episodes", "seed_base")
        values = {name: value for name, value in asdict(self).items() if name not in apart}
        return {**values, "bins": dict(demonstration_config(self).bins)}


@dataclass(slots=True)
class Tally:
    """What became of the layouts."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bins: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    frames: int = 0

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Tally:
        """Count rows."""
        tally = cls()
        for row in rows:
            tally.outcomes[row["outcome"]] += 1
            tally.skipped.update(row["skipped"])
            if row["kept"]:
                tally.kept += 1
                tally.frames += row["frames"]
                tally.bins[row["bin"]] += 1
        return tally

    def lines(self) -> list[str]:
        """As text."""
        return [
            f"episodes  {self.kept} kept of {self.outcomes.total()} layouts, {self.frames} frames",
            f"outcomes  {_counts(self.outcomes)}",
            f"starts    {_counts(self.bins)}",
            f"skipped   {_counts(self.skipped) or 'none'} (no start of that bin in the layout; another one was drawn)",
        ]


def help_lines(_command: str) -> list[str]:
    """The options of `CollectOptions`."""
    return option_lines(CollectOptions)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Parse, record what is missing, merge, and print what became of the layouts.

    Raises:
        UsageError: A name does not exist, or the folder belongs to other options.
        CheckpointError: The policy has no usable weights.
    """
    from robots.sim.tasks import find_task

    options = parse_options(CollectOptions, arguments)
    for target in options.targets or (None,):
        find_task(options.task, target)
    if options.policy and not Path(options.policy).is_dir():
        raise UsageError(f"policy: there is no folder {options.policy}.")
    for text in collect(options).lines():
        console.line(text)
    console.line(f"dataset   {options.out}")
    return 0


def collect(options: CollectOptions) -> Tally:
    """Record the missing layouts of the options into their dataset.

    Raises:
        UsageError: The folder belongs to other options.
        OSError: The folder cannot be written.
    """
    folder = DatasetFolder(Path(options.out))
    notebook = folder.root.with_name(f"{folder.root.name}.collected")
    claim(notebook, options.identity())
    folder.recover()
    there = set(folder.names())
    rows = {row["seed"]: row for row in read_rows(notebook / ROWS) if not row["kept"] or name_of(row["seed"]) in there}
    missing = [seed for seed in options.seeds if seed not in rows]
    batches = [tuple(missing[start : start + BATCH]) for start in range(0, len(missing), BATCH)]
    with (
        workers(min(options.workers, max(len(batches), 1))) as pool,
        (notebook / ROWS).open("a") as file,
        console.progress(options.episodes, options.episodes - len(missing)) as bar,
    ):
        for batch in each(pool, options, record_batch, batches):
            file.write(to_lines(batch))
            file.flush()
            rows.update({row["seed"]: row for row in batch})
            bar.update(len(batch))
    if folder.parts():
        folder.merge()
    return Tally.of([rows[seed] for seed in options.seeds])


def record_batch(options: CollectOptions, seeds: Sequence[int]) -> list[Row]:
    """Record these layouts in a world of their own, one part each, and return one row each."""
    demonstrator = _demonstrator(options)
    journal, layout = DatasetFolder(Path(options.out)).journal, part_format()
    return [_recorded(demonstrator.record(seed), seed, journal, layout) for seed in seeds]


@cache
def _demonstrator(options: CollectOptions) -> Demonstrator:
    from robots.sim.grasping.demonstrations import Demonstrator

    policy = shared_policy(options.policy) if options.policy else None
    return Demonstrator(shared_world(), demonstration_config(options), policy)


def _recorded(demonstration: Demonstration, seed: int, journal: Path, layout: PartFormat) -> Row:
    from handoff.dataset.image_part import write_part

    row = {**demonstration.facts, "kept": demonstration.kept}
    if demonstration.kept:
        notes = {"seed": seed, "success": row["outcome"] == "grasped", "bin": row["bin"], "outcome": row["outcome"]}
        write_part(journal, name_of(seed), layout, columns_of(demonstration), demonstration.instruction, notes)
    return row


def demonstration_config(options: CollectOptions) -> DemonstrationConfig:
    """Return what is recorded.

    Raises:
        UsageError: A bin or its share is not valid.
    """
    from robots.sim.grasping.demonstrations import DemonstrationConfig
    from robots.sim.grasping.noise import NoiseConfig

    given: dict[str, Any] = {"bins": dict(map(_share, options.bins))} if options.bins else {}
    return DemonstrationConfig(
        task=options.task,
        targets=options.targets,
        distractors=options.distractors,
        refused=options.refused,
        noise=NoiseConfig(chance=options.noise),
        beta=options.beta,
        **given,
    )


def _share(text: str) -> tuple[str, float]:
    name, _, share = text.partition(":")
    try:
        return name.strip(), float(share or 1.0)
    except ValueError as error:
        raise UsageError(f"bins: write {name}:SHARE, not {text!r}.") from error


def name_of(seed: int) -> str:
    """Return the name of a layout's episode."""
    return f"grasp-{seed:06d}"


def _counts(counter: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items(), key=lambda item: -item[1]))
