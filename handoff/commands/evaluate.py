"""`baton demo` and `baton eval`: every method on the same layouts, then the summary, the report and one line each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from handoff import console
from handoff.commands.options import option_lines, parse_options
from handoff.config import LEARNED_SEARCH, EvalConfig
from handoff.records import EpisodeRecord, Job
from handoff.run_folder import CONFIG, DATASET, REPORT, SUMMARY, VIDEO, RunFolder
from robots.errors import UsageError


class Crew(Protocol):
    """Runs jobs, possibly several at a time."""

    def run(self, jobs: Sequence[Job]) -> Iterator[EpisodeRecord]:
        """Yield each finished episode as it ends, in any order."""
        ...


OpenCrew = Callable[[EvalConfig, Path], AbstractContextManager[Crew]]


def help_lines(_command: str) -> list[str]:
    """The options of `EvalConfig`."""
    return option_lines(EvalConfig)


def run(command: str, arguments: Sequence[str]) -> int:
    """Parse, check that the task exists, and evaluate with worker processes."""
    from handoff.commands.crew import ProcessCrew
    from handoff.commands.layouts import check_layout, sample_layout

    config = parse_options(EvalConfig, arguments)
    if config.resume:
        config = resumed_config(config, arguments)
    spec = sample_layout(config, config.seed_base)  # refuses unknown names before anything starts
    check_layout(config, spec)
    _check_policy(config)
    evaluate(config, ProcessCrew.open)
    return 0


def evaluate(config: EvalConfig, open_crew: OpenCrew) -> RunFolder:
    """Run what is missing of the evaluation, then write the summary and the report and print the result.

    Raises:
        BatonError: An episode could not be run; finished ones are kept.
        OSError: The run folder cannot be written.
    """
    folder = _open_folder(config)
    done = {record.key for record in folder.episodes()}
    jobs = [job for job in plan(config) if job.key not in done]
    try:
        if jobs:
            _run_jobs(config, folder, jobs, len(done), open_crew)
    except KeyboardInterrupt:
        console.note(f"To continue: baton eval --resume --out {folder.path}")
        raise
    finish(config, folder)
    return folder


def plan(config: EvalConfig) -> list[Job]:
    """All episodes, layout by layout, so that an interrupted run is still paired."""
    return [
        Job(method, seed, video=index < config.videos)
        for index, seed in enumerate(config.seeds)
        for method in config.methods
    ]


def finish(config: EvalConfig, folder: RunFolder) -> None:
    """Write `summary.json` and `report.html`, and print one line per method and the paths."""
    from handoff.report import render_report
    from handoff.summary import build_summary

    dataset = _merge_dataset(config, folder)
    episodes = folder.episodes()
    summary = build_summary(config, episodes)
    folder.write(SUMMARY, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    folder.write(REPORT, render_report(folder, config, summary, episodes))
    for text in result_lines(config, summary):
        console.line(text)
    console.line(f"report   {folder.path / REPORT}")
    console.line(f"numbers  {folder.path / SUMMARY}")
    if any(row.video for row in episodes):
        console.line(f"videos   {folder.path / VIDEO}")
    if dataset:
        console.line(f"dataset  {dataset}")
    console.line(f"again    baton eval --config_path {folder.path / CONFIG} --out NEW")


def _merge_dataset(config: EvalConfig, folder: RunFolder) -> str:
    """Join the recorded episodes in the order of the plan; returns what to print about them."""
    if not config.dataset:
        return ""
    from handoff.dataset.folder import DatasetFolder

    dataset = DatasetFolder(folder.path / DATASET)
    kept = dataset.merge([job.name for job in plan(config)])
    for loss in kept.lost:
        console.note(f"The episode {loss.name} is not in the dataset: {loss.reason}")
    return f"{folder.path / DATASET} ({kept.episodes} episodes; baton data info {folder.path / DATASET})"


def result_lines(config: EvalConfig, summary: dict) -> list[str]:
    """The result as text: a heading, one line per method, one per pair, and what the paired tests carry."""
    from handoff.report import PAIR_HEADER, method_cells, pair_cells

    header, rows = method_cells(summary)
    variant = "" if config.variant == "standard" else f", {config.variant}"
    varied = "" if config.randomization == "train" else f", randomization {config.randomization}"
    seeds = f"layouts {config.seeds[0]} to {config.seeds[-1]}"
    generalist = f"generalist: {summary['generalist']}"
    pairs = pair_cells(summary)
    claims = [text for pair in summary["comparisons"] for text in pair["claims"]]
    return [
        f"{config.task}{variant}{varied}: {seeds}, 95 % intervals in brackets; {generalist}",
        "",
        *console.table(header, rows),
        "",
        *([*console.table(PAIR_HEADER, pairs), ""] if pairs else []),
        *([*claims, ""] if claims else []),
    ]


def _check_policy(config: EvalConfig) -> None:
    if LEARNED_SEARCH in config.methods and not (config.policy_folder / "config.json").is_file():
        raise UsageError(
            f"{config.policy_folder} holds no search policy: train one with `baton train` and name it with --policy, "
            f"or leave {LEARNED_SEARCH} out of --methods."
        )


def _run_jobs(config: EvalConfig, folder: RunFolder, jobs: Sequence[Job], done: int, open_crew: OpenCrew) -> None:
    with open_crew(config, folder.path) as crew, console.progress(done + len(jobs), done) as bar:
        for record in crew.run(jobs):
            folder.append(record)
            bar.update()


def _open_folder(config: EvalConfig) -> RunFolder:
    if config.resume:
        return RunFolder.resume(Path(config.out))
    out = config.out or f"runs/{time.strftime('%Y%m%d-%H%M%S')}-{config.task}"
    return RunFolder.create(Path(out), config.to_dict())


def resumed_config(config: EvalConfig, arguments: Sequence[str]) -> EvalConfig:
    """Return the resumed run's own configuration.

    Raises:
        UsageError: There is no run, or an option would change it.
    """
    path = Path(config.out) / CONFIG
    RunFolder.resume(Path(config.out))
    stored = parse_options(EvalConfig, ["--config_path", str(path), "--out", config.out, "--resume"])
    wanted = parse_options(EvalConfig, [*arguments, "--config_path", str(path)])
    if replace(wanted, workers=stored.workers) != stored:
        changed = [name for name, value in stored.to_dict().items() if wanted.to_dict()[name] != value]
        raise UsageError(f"A resumed run keeps its own {path}; leave out --{changed[0]}, or start a new run.")
    return wanted
