"""The report of a comparison: `report.html` without a single external reference, `report.md` and `summary.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff.commands.experiment_claims import claims, undecided
from handoff.commands.experiment_plots import MEASURES, TRAINING, color_of, learning_curve, training_curve
from handoff.commands.experiment_tables import (
    Table,
    appearance_table,
    comparison_table,
    failure_table,
    occlusion_table,
    result_table,
)
from handoff.environment import git, machine, versions
from handoff.report import fill

if TYPE_CHECKING:
    from search_policy.experiment.config import ExperimentConfig
    from search_policy.experiment.results import CellResult

HTML, MARKDOWN, SUMMARY = "report.html", "report.md", "summary.json"
TEMPLATES = {HTML: "experiment.html.j2", MARKDOWN: "experiment.md.j2"}


@dataclass(frozen=True, slots=True)
class Section:
    """One task in one action space and memory.

    Attributes:
        title: Its name.
        plots: (caption, SVG element).
        tables: Results, appearances, occlusion, failures.
    """

    title: str
    plots: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]


def write_report(config: ExperimentConfig, results: Sequence[CellResult]) -> list[str]:
    """Write the report of the finished cells and return its headline as lines of text."""
    from search_policy.experiment.summary import summarize

    folder = Path(config.out)
    summary = summarize(config, results)
    _write(folder / SUMMARY, json.dumps(summary, indent=1) + "\n")
    for name in (HTML, MARKDOWN):
        _write(folder / name, render(TEMPLATES[name], summary, str(folder)))
    return [
        f"cells   {summary['finished']} of {summary['planned']} finished",
        *(f"claim   {text}" for text in claims(summary["comparisons"])),
        f"report  {folder / HTML}",
    ]


def render(template: str, summary: dict[str, Any], folder: str) -> str:
    """Return the report as a page or as Markdown, also for a comparison that is not finished."""
    return fill(
        template,
        summary=summary,
        claims=claims(summary["comparisons"]),
        undecided=undecided(summary["comparisons"]),
        sections=sections(summary),
        pairs=comparison_table("Planned comparisons", summary["comparisons"]),
        color_of=color_of,
        folder=folder,
        machine={"machine": machine(), "versions": versions(), "git": git()},
    )


def sections(summary: dict[str, Any]) -> list[Section]:
    """Return one section per task, action space, memory and number of online episodes."""
    return [_section(place, rows, summary) for place, rows in _places(summary["measures"])]


def _places(measures: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield every place with its rows; what is not learned belongs to every place of its task."""
    keys = ("task", "action_space", "memory", "online")
    learned = [row for row in measures if row["demonstrations"]]
    scripted = [row for row in measures if not row["demonstrations"]]
    places = dict.fromkeys(tuple(row[key] for key in keys) for row in learned)
    alone = [row for row in scripted if row["task"] not in {place[0] for place in places}]
    for place in [*places, *dict.fromkeys(tuple(row[key] for key in keys) for row in alone)]:
        rows = [row for row in learned if tuple(row[key] for key in keys) == place]
        rows += [row for row in scripted if row["task"] == place[0]]
        yield dict(zip(keys, place, strict=True)), rows


def _section(place: dict[str, Any], rows: list[dict[str, Any]], summary: dict[str, Any]) -> Section:
    title = ", ".join(
        [
            place["task"].replace("_", " "),
            *([place["action_space"]] if place["action_space"] != "viewpoint" else []),
            *([f"memory {place['memory']}"] if place["memory"] != "none" else []),
            *([f"{place['online']} online episodes"] if place["online"] else []),
        ]
    )
    plain = [row for row in rows if row["appearance"] == summary["appearances"][0]]
    largest = max((row["demonstrations"] for row in rows), default=0)
    top = [row for row in plain if row["demonstrations"] in (0, largest)]
    every = [row for row in rows if row["demonstrations"] in (0, largest)]
    most = f"{largest} demonstrations" if largest else "scripted searchers"
    tables = (
        result_table(f"Results, appearance {summary['appearances'][0]}", plain),
        appearance_table(f"By appearance, {most}", every, summary["appearances"]),
        occlusion_table(f"By occlusion, {most}", top),
        failure_table(f"Failures, {most}", top),
    )
    return Section(title, tuple(_plots(place, plain, largest, summary)), tables)


def _plots(
    place: dict[str, Any], rows: list[dict[str, Any]], largest: int, summary: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    name = "-".join(str(value) for value in place.values())
    for measure in MEASURES if rows else ():
        yield f"{measure.capitalize()} over demonstrations", learning_curve(f"{name}-{measure}", rows, measure)
    wanted = {**place, "demonstrations": largest}
    curves = [curve for curve in summary["curves"] if curve["setting"] == wanted]
    for metric, label in TRAINING.items():
        drawn = training_curve(f"{name}-{metric}", curves, metric)
        if drawn:
            yield f"Training, {largest} demonstrations: {label}", drawn


def _write(path: Path, text: str) -> None:
    from robots.files import write_atomically

    write_atomically(path, text.encode())
