"""The report's plots as inline SVG that follows the page's light or dark colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from handoff.overlay import PHASE_COLORS
from handoff.records import EpisodeRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHOD_COLORS = {
    "search+handoff": "#3b7cf5",
    "sweep+handoff": "#e0911b",
    "coverage+handoff": "#1f9e8f",
    "random+handoff": "#a66be0",
    "generalist": "#7c8796",
}
TIMELINE_LAYOUTS = 12
# Stand-ins that matplotlib accepts as colours; replaced by CSS values in the SVG.
_INK, _GRID = "#010203", "#040506"
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 10.0,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
Span = tuple[str, int, int]


def success_plot(methods: Mapping[str, Mapping[str, Any]]) -> str:
    """Found and completed per method, each a dot with its Wilson 95 % interval."""

    def draw(axes: Axes) -> None:
        names = list(methods)[::-1]
        for row, name in enumerate(names):
            for offset, measure, filled in ((0.14, "found", False), (-0.14, "completed", True)):
                _interval(axes, row + offset, methods[name], measure, METHOD_COLORS.get(name, "#888888"), filled=filled)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlim(-2, 102)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.set_xlabel("episodes [%]   ○ found   ● completed")
        axes.grid(visible=False, axis="y")

    return svg("success", (6.4, 0.9 + 0.62 * len(methods)), draw)


def steps_plot(episodes: Sequence[EpisodeRecord], methods: Sequence[str]) -> str:
    """Share of layouts on which the target was found within a number of control periods."""

    def draw(axes: Axes) -> None:
        found = [row.steps_to_find for row in episodes if row.steps_to_find is not None]
        last = max(found, default=1) * 1.05 + 1
        for name in methods:
            rows = [row for row in episodes if row.method == name]
            steps = sorted(row.steps_to_find for row in rows if row.steps_to_find is not None)
            share = 100.0 * np.arange(len(steps) + 1) / max(len(rows), 1)
            axes.step(
                [0, *steps, last], [*share, share[-1]], where="post", lw=2, color=METHOD_COLORS.get(name), label=name
            )
        axes.set(xlim=(0, last), ylim=(-2, 102), xlabel="control periods until found", ylabel="layouts [%]")
        axes.legend(loc="best")

    return svg("steps", (6.4, 3.0), draw)


def timeline_plot(spans: Mapping[tuple[str, int], Sequence[Span]], methods: Sequence[str], seeds: Sequence[int]) -> str:
    """Phases of the first layouts' episodes over control periods, one bar per episode."""
    keys = [(name, seed) for name in methods for seed in seeds[:TIMELINE_LAYOUTS] if (name, seed) in spans][::-1]

    def draw(axes: Axes) -> None:
        for row, key in enumerate(keys):
            for phase, start, stop in spans[key]:
                axes.barh(row, max(stop - start, 1), left=start, height=0.74, color=PHASE_COLORS[phase], lw=0)
        axes.set_yticks(range(len(keys)), [f"{name}  {seed}" for name, seed in keys], fontsize=8)
        axes.set_ylim(-0.6, len(keys) - 0.4)
        axes.set_xlabel("control periods", fontsize=8)
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(visible=False, axis="y")

    return svg("timeline", (9.6, 0.8 + 0.21 * len(keys)), draw)


def phase_spans(events: Sequence[Mapping[str, Any]]) -> list[Span]:
    """Turn one episode's events into (phase, first step, step after the last)."""
    changes = [(event["to"], event["step"]) for event in events if event["event"] == "transition"]
    end = next((event["steps"] for event in events if event["event"] == "end" and event["steps"] is not None), None)
    if not changes:
        return []
    stops = [step for _, step in changes[1:]] + [max(end or 0, changes[-1][1])]
    return [(phase, start, stop) for (phase, start), stop in zip(changes, stops, strict=True)]


def _interval(axes: Axes, y: float, method: Mapping[str, Any], measure: str, color: str, *, filled: bool) -> None:
    if method[measure] is None:
        return
    low, high = (100.0 * value for value in method[f"{measure}_ci95"])
    axes.plot([low, high], [y, y], color=color, lw=2, solid_capstyle="round")
    share = 100.0 * method[measure] / method["episodes"]
    axes.plot([share], [y], "o", ms=7, mec=color, mew=2, mfc=color if filled else "none")


def svg(name: str, size_in: tuple[float, float], draw: Callable[[Axes], None]) -> str:
    """Draw into one pair of axes and return the SVG element.

    Args:
        name: What the identifiers in it are made from.
        size_in: Width and height [in].
        draw: Draws.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size_in, layout="constrained")
        draw(figure.subplots())
        return _inline(figure)


def _inline(figure: Figure) -> str:
    """Reduce matplotlib's SVG to its element: no doctype, metadata or namespaces, colours from the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'<svg([^>]*?)\swidth="[^"]*"', r"<svg\1", text, count=1)
    text = re.sub(r'<svg([^>]*?)\sheight="[^"]*"', r"<svg\1", text, count=1)
    return text.replace(_INK, "currentColor").replace(_GRID, "var(--line)")
