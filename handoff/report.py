"""`report.html`: one file without a single external reference, from what the run folder holds."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handoff.config import GENERALIST_ALONE, METHODS, EvalConfig
from handoff.overlay import PHASE_COLORS
from handoff.plots import METHOD_COLORS, phase_spans, steps_plot, success_plot, timeline_plot
from handoff.records import EpisodeRecord
from handoff.run_folder import CONFIG, RunFolder

TEMPLATES = Path(__file__).parent / "templates"
STRIPS_PER_METHOD = 3
HEADER = ("method", "found", "completed", "completed | found", "steps to find", "false handoffs", "handoff p95")


def render_report(
    folder: RunFolder, config: EvalConfig, summary: dict[str, Any], episodes: Sequence[EpisodeRecord]
) -> str:
    """Return the report's HTML."""
    header, rows = method_cells(summary)
    methods = list(summary["methods"])
    spans = {key: phase_spans(events) for key, events in folder.events().items()}
    finished = {row.key for row in episodes}
    return fill(
        "report.html.j2",
        config=config,
        summary=summary,
        headline=headline(summary),
        header=header,
        rows=rows,
        lead=f"{methods[0]}: {METHODS[methods[0]]}",
        pair_header=PAIR_HEADER,
        pairs=pair_cells(summary),
        method_colors=METHOD_COLORS,
        phase_colors={phase.replace("_", " "): color for phase, color in PHASE_COLORS.items()},
        success=success_plot(summary["methods"]) if _judged(summary) else "",
        steps=steps_plot(episodes, methods) if any(row.steps_to_find is not None for row in episodes) else "",
        timeline=timeline_plot({k: v for k, v in spans.items() if k in finished and v}, methods, config.seeds),
        strips=_strips(folder, methods, episodes),
        episodes=sorted(episodes, key=lambda row: (row.seed, methods.index(row.method))),
        again=f"baton eval --config_path {folder.path.name}/{CONFIG} --out NEW",
    )


def fill(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """Return a page of `templates/` with these values in it."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template).render(**values)


def method_cells(summary: dict[str, Any]) -> tuple[tuple[str, ...], list[list[str]]]:
    """The result table as text, for the terminal and the report: header and one row per method."""
    return HEADER, [_cells(name, method) for name, method in summary["methods"].items()]


PAIR_HEADER = ("on the same layouts", "found", "completed", "steps to find, mean difference")


def pair_cells(summary: dict[str, Any]) -> list[list[str]]:
    """The paired comparisons as text: one row per pair; successes that only one of the two had, and p values."""
    return [
        [
            f"{pair['first']} against {pair['second']}",
            _wins(pair["found"]),
            _wins(pair["completed"]),
            _difference(pair["found"]) if GENERALIST_ALONE not in (pair["first"], pair["second"]) else "–",
        ]
        for pair in summary["comparisons"]
    ]


def headline(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The first method's numbers as (label, value, interval)."""
    name, method = next(iter(summary["methods"].items()))
    cells = dict(zip(HEADER, _cells(name, method), strict=True))
    picks = ("found", "completed", "steps to find", "false handoffs", "handoff p95")
    return [(label, *_halves(cells[label])) for label in picks]


def _cells(name: str, method: dict[str, Any]) -> list[str]:
    latency = method["handoff_latency_ms_p95"]
    return [
        name,
        _share(method["found"], method["episodes"], method["found_ci95"]),
        _share(method["completed"], method["episodes"], method["completed_ci95"]),
        _percent(method["completed_given_found"], method["completed_given_found_ci95"]),
        _steps(method),
        _false_handoffs(method),
        "–" if latency is None else f"{latency:.0f} ms",
    ]


def _share(count: int | None, total: int, interval: list[float] | None) -> str:
    return "–" if count is None else f"{count}/{total} {_range(interval)}"


def _percent(share: float | None, interval: list[float] | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} % {_range(interval)}"


def _range(interval: list[float] | None) -> str:
    return f"[{100 * interval[0]:.0f}–{100 * interval[1]:.0f} %]" if interval else ""


def _steps(method: dict[str, Any]) -> str:
    if method["median_steps_to_find"] is None:
        return "–"
    low, high = method["steps_to_find_quartiles"]
    return f"{method['median_steps_to_find']:.0f} (IQR {low:.0f}–{high:.0f})"


def _false_handoffs(method: dict[str, Any]) -> str:
    count = method["false_handoffs"]
    return "–" if count is None else f"{count} in {method['episodes']} episodes"


def _wins(pair: dict[str, Any]) -> str:
    return f"+{pair['first_only']} −{pair['second_only']} (p = {pair['success_p']:.2g})"


def _difference(pair: dict[str, Any]) -> str:
    if pair["steps_difference_mean"] is None:
        return "–"
    low, high = pair["steps_difference_mean_ci95"]
    return f"{pair['steps_difference_mean']:+.1f} [{low:+.1f}, {high:+.1f}] (p = {pair['steps_p']:.2g})"


def _halves(cell: str) -> tuple[str, str]:
    value, space, rest = cell.partition(" [") if " [" in cell else cell.partition(" (")
    return value, (space.strip() + rest) if rest else ""


def _judged(summary: dict[str, Any]) -> bool:
    return any(method["found"] is not None for method in summary["methods"].values())


def _strips(folder: RunFolder, methods: Sequence[str], episodes: Sequence[EpisodeRecord]) -> list[dict[str, Any]]:
    strips = []
    for name in methods:
        filmed = sorted((row for row in episodes if row.method == name and row.video), key=lambda row: row.seed)
        for row in filmed[:STRIPS_PER_METHOD]:
            picture = folder.path / Path(row.video).with_suffix(".jpg")
            if picture.is_file():
                data = base64.b64encode(picture.read_bytes()).decode()
                strips.append({"row": row, "data": f"data:image/jpeg;base64,{data}"})
    return strips
