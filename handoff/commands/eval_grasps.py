"""`baton eval-grasps`: how a policy grasps, over the view at handoff, the instruction, and an absent object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff import console
from handoff.commands.grasp_policies import SCRIPTED, label_of, shared_policy, shared_world
from handoff.commands.jobs import Pool, Row, each, read_rows, to_lines, workers
from handoff.commands.options import option_lines, parse_options
from handoff.dataset.durable import write_json
from robots.errors import UsageError
from robots.run_claim import claim

if TYPE_CHECKING:
    from robots.sim.grasping.trials import TrialConfig

TRIALS, ROWS, SUMMARY, PLOT = "trials.jsonl", "rows.jsonl", "summary.json", "views.svg"
VIEWS = (
    "centred", "close", "off_centre", "edge", "far", "occluded_30", "occluded_60", "occluded_90", "out_of_view",
)  # fmt: skip
SAME_START = "centred"  # whose starts the other instructions are given at
BATCH = 8
MOST_LAYOUTS = 4  # times the wanted number of starts: then a bin is short of them


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """Options of `baton eval-grasps`.

    Raises:
        UsageError: A value is out of range.
    """

    # What grasps: expert (closed loop), planned (the planner), and folders of trained policies
    policies: tuple[str, ...] = ("expert",)
    # Views at handoff; see docs/grasps.md
    bins: tuple[str, ...] = VIEWS
    # Starts per view from which the object can be grasped, and of every other condition
    episodes: int = 100
    # Seed of the first layout; 100000 to 199999 are for validation, the test layouts start at 200000
    seed_base: int = 100_000
    # Also name another visible, reachable object at the same starts, and paraphrase the instruction
    swap: bool = False
    # Also name an object that is not there
    absent: bool = False
    # Processes; one is this process itself
    workers: int = 2
    # Task whose layouts are drawn
    task: str = "bookshelf_pineapple"
    # Classes that are named; empty for every graspable one
    targets: tuple[str, ...] = ()
    # What varies besides the layout: none, train, shifted, extreme, or a YAML file
    randomization: str = "train"
    # Folder of the rows, the summary and the plot; finished trials in it are kept
    out: str = ""

    def __post_init__(self) -> None:
        for name, least in {"episodes": 1, "seed_base": 0, "workers": 1}.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, not {getattr(self, name)}.")
        labels = [label_of(name) for name in self.policies]
        if not labels or len(set(labels)) < len(labels):
            raise UsageError("policies: name at least one, and folders that end in different names.")
        if not self.out:
            raise UsageError("eval-grasps: name the folder of the results with --out.")

    @property
    def kinds(self) -> tuple[str, ...]:
        """What starts are drawn for: the views, and `absent`."""
        wanted = dict.fromkeys((*self.bins, *((SAME_START,) if self.swap else ())))
        return (*wanted, *(("absent",) if self.absent else ()))

    @property
    def drawn_from(self) -> TrialConfig:
        """What the trials are drawn from."""
        from robots.sim.grasping.trials import TrialConfig

        return TrialConfig(self.task, self.targets, self.randomization)

    def identity(self) -> dict[str, Any]:
        """What makes trials comparable."""
        return {"seed_base": self.seed_base, **asdict(self.drawn_from)}


def help_lines(_command: str) -> list[str]:
    """The options of `EvalOptions`."""
    return option_lines(EvalOptions)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Parse, run what is missing, and print the summary.

    Raises:
        UsageError: A name does not exist, or the folder belongs to other options.
        CheckpointError: A policy has no usable weights.
    """
    from handoff.commands.grasp_report import summary_lines

    options = parse_options(EvalOptions, arguments)
    _check_names(options)
    for text in summary_lines(evaluate(options)):
        console.line(text)
    console.line(f"rows and plot in {options.out}")
    return 0


def _check_names(options: EvalOptions) -> None:
    from robots.sim.grasping.starts import find_bin
    from robots.sim.randomization import load_randomization
    from robots.sim.tasks import find_task

    for name in options.bins:
        find_bin(name)
    for target in options.targets or (None,):
        find_task(options.task, target)
    load_randomization(options.randomization)
    for name in options.policies:
        if name not in SCRIPTED and not Path(name).is_dir():
            raise UsageError(f"policies: {name} is neither expert nor planned, nor a folder.")


def evaluate(options: EvalOptions) -> dict[str, Any]:
    """Draw the missing trials, run them with every policy, and write rows, summary and plot; returns the summary.

    Raises:
        UsageError: The folder belongs to other options.
        OSError: The folder cannot be written.
    """
    from handoff.commands.grasp_report import summarize, views_plot

    folder = Path(options.out)
    claim(folder, options.identity())
    with workers(options.workers) as pool:
        trials = _drawn(options, folder / TRIALS, pool)
        rows = _ran(options, folder / ROWS, trials, pool)
    summary = summarize(rows, trials, [label_of(name) for name in options.policies])
    write_json(folder / SUMMARY, summary)
    (folder / PLOT).write_text(views_plot(summary))
    return summary


def _drawn(options: EvalOptions, path: Path, pool: Pool) -> list[Row]:
    """Return the trials, those of the file first; layouts are gone through until every kind has enough of them."""
    known = read_rows(path)
    with path.open("a") as file, console.progress(options.episodes * len(options.kinds)) as bar:
        bar.set_description("starts")
        for kind in options.kinds:
            at = max((row["layout"] for row in known if row["kind"] == kind), default=options.seed_base - 1) + 1
            end = options.seed_base + MOST_LAYOUTS * options.episodes
            bar.update(_enough(options, known, kind))
            while _enough(options, known, kind) < options.episodes and at < end:
                seeds = range(at, min(at + BATCH * options.workers, end))
                before = _enough(options, known, kind)
                for rows in each(pool, options, draw_batch, [(kind, part) for part in _split(seeds)]):
                    known += rows
                    file.write(to_lines(rows))
                file.flush()
                at = seeds[-1] + 1
                bar.update(_enough(options, known, kind) - before)
    return _chosen(options, known)


def _enough(options: EvalOptions, rows: Sequence[Row], kind: str) -> int:
    """Count the starts of a kind that can be grasped from, or where nothing is to be grasped; of swaps the fewer."""
    own = [row for row in rows if row["kind"] == kind]
    starts = sum(map(_counts, own))
    if not (options.swap and kind == SAME_START):
        return starts
    return min(starts, sum(row["trial"] is not None and row["trial"]["condition"] == "swap" for row in own))


def _counts(row: Row) -> bool:
    trial = row["trial"]
    if trial is None or trial["condition"] not in ("view", "absent"):
        return False
    return bool(trial["graspable"]) or row["kind"] == "absent"


def _chosen(options: EvalOptions, known: Sequence[Row]) -> list[Row]:
    """Return the trials to run, in the order of their layouts: of every kind up to the wanted number of starts.

    As many starts where the way to the object is blocked may come with them.
    """
    chosen: list[Row] = []
    for kind in options.kinds:
        rows = sorted((row for row in known if row["kind"] == kind and row["trial"]), key=lambda row: row["layout"])
        if kind in (*options.bins, "absent"):
            chosen += [row["trial"] for row in rows if _counts(row)][: options.episodes]
            blocked = [row["trial"] for row in rows if row["trial"]["condition"] == "view" and not _counts(row)]
            chosen += blocked[: options.episodes]
        if options.swap and kind == SAME_START:
            for condition in ("swap", "paraphrase"):
                chosen += [row["trial"] for row in rows if row["trial"]["condition"] == condition][: options.episodes]
    return chosen


def draw_batch(options: EvalOptions, job: tuple[str, Sequence[int]]) -> list[Row]:
    """Draw the trials of these layouts; a layout without a start gives a row without a trial."""
    from robots.sim.grasping.trials import draw_trials

    kind, seeds = job
    rows: list[Row] = []
    for seed in seeds:
        also = kind == SAME_START
        trials = draw_trials(shared_world(), options.drawn_from, kind, seed, also=also)
        rows += [{"kind": kind, "layout": seed, "trial": trial.to_dict()} for trial in trials]
        rows += [] if trials else [{"kind": kind, "layout": seed, "trial": None}]
    return rows


def _ran(options: EvalOptions, path: Path, trials: Sequence[Row], pool: Pool) -> list[Row]:
    """Return one row per trial and policy, those of the file first."""
    rows = {key_of(row): row for row in read_rows(path)}
    jobs = []
    for name in options.policies:
        missing = [trial for trial in trials if key_of({"policy": label_of(name), **trial}) not in rows]
        jobs += [(name, missing[start : start + BATCH]) for start in range(0, len(missing), BATCH)]
    total = len(trials) * len(options.policies)
    with path.open("a") as file, console.progress(total, total - sum(len(part) for _, part in jobs)) as bar:
        for batch in each(pool, options, run_batch, jobs):
            file.write(to_lines(batch))
            file.flush()
            rows.update({key_of(row): row for row in batch})
            bar.update(len(batch))
    wanted = {key_of({"policy": label_of(name), **trial}) for name in options.policies for trial in trials}
    return [row for key, row in rows.items() if key in wanted]


def key_of(row: Row) -> tuple[Any, ...]:
    """Return what a row is a row of."""
    return tuple(row[name] for name in ("policy", "condition", "bin", "seed"))


def run_batch(options: EvalOptions, job: tuple[str, Sequence[Row]]) -> list[Row]:
    """Run these trials with one policy."""
    from robots.sim.grasping.trials import Trial, run_trial

    name, trials = job
    world = shared_world()
    policy = shared_policy(name)
    rows = []
    for values in trials:
        report = run_trial(world, options.drawn_from, Trial.from_dict(values), policy)
        rows.append({"policy": label_of(name), **values, **asdict(report)})
    return rows


def _split(seeds: range) -> list[range]:
    return [seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH)]
