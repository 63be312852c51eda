"""Plots of a comparison: learning curves over the number of demonstrations, and training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from handoff.plots import svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {
    "aawr": "#3b7cf5",
    "awr": "#e0911b",
    "bc": "#a66be0",
    "distillation": "#1f9e8f",
    "vib": "#d9487d",
    "coverage": "#5b8c3a",
    "random": "#8a7f5c",
    "sweep": "#7c8796",
    "oracle": "#b0483a",
}
DASHES = {"coverage": (0, (6, 2)), "random": (0, (1, 2)), "sweep": (0, (4, 2, 1, 2)), "oracle": "-"}
_OTHER = "#888888"
_SIZE_IN = (6.4, 3.4)
MEASURES = {"success": (100.0, "found [%]"), "steps": (1.0, "control steps")}
TRAINING = {
    "actor_loss": "actor's loss",
    "q_loss": "critic's loss",
    "sample_size": "effective share of a batch",
    "information_nats": "information through the bottleneck [nats]",
}


def color_of(method: str) -> str:
    """Return a method's colour."""
    return COLORS.get(method, _OTHER)


def learning_curve(name: str, measures: Sequence[Mapping[str, Any]], measure: str) -> str:
    """Plot a measure over the number of demonstrations, a band per method; scripted searchers are levels.

    Args:
        name: Of the plot, for its identifiers.
        measures: `summary["measures"]` of one task, appearance, action space and memory.
        measure: `success` or `steps`.
    """
    scale, label = MEASURES[measure]

    def draw(axes: Axes) -> None:
        learned = [row for row in measures if row["demonstrations"]]
        sizes = sorted({row["demonstrations"] for row in learned})
        for method in dict.fromkeys(row["method"] for row in learned):
            _band(axes, method, [row for row in learned if row["method"] == method], measure, scale)
        for row in measures:
            if not row["demonstrations"]:
                _level(axes, row["method"], scale * row[measure][0])
        if sizes:
            axes.set_xscale("log")
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
            axes.set_xlim(sizes[0] * 0.85, sizes[-1] * 1.18)
        if measure == "success":
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, -2.0), min(high, 102.0))
        axes.set(xlabel="demonstrations", ylabel=label)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))

    return svg(name, _SIZE_IN, draw)


def training_curve(name: str, curves: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Plot a metric of the training over the updates: mean over the training seeds, with their range; "" without it."""
    shown = [curve for curve in curves if curve["metrics"].get(metric, {}).get("step")]
    if not shown:
        return ""

    def draw(axes: Axes) -> None:
        for curve in shown:
            values, color = curve["metrics"][metric], color_of(curve["method"])
            axes.plot(values["step"], values["mean"], color=color, lw=1.8, label=curve["method"])
            axes.fill_between(values["step"], values["low"], values["high"], color=color, alpha=0.15, lw=0)
        axes.set(xlabel="updates, pretraining of the encoder included", ylabel=TRAINING[metric])
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))

    return svg(name, _SIZE_IN, draw)


def _band(axes: Axes, method: str, rows: Sequence[Mapping[str, Any]], measure: str, scale: float) -> None:
    rows = sorted(rows, key=lambda row: row["demonstrations"])
    sizes = [row["demonstrations"] for row in rows]
    middle = [scale * row[measure][0] for row in rows]
    bounds = [row["success_crossed_ci95"] if measure == "success" else row[measure][1:] for row in rows]
    color = color_of(method)
    axes.plot(sizes, middle, "o-", color=color, lw=2, ms=5, label=method)
    axes.fill_between(
        sizes, [scale * b[0] for b in bounds], [scale * b[1] for b in bounds], color=color, alpha=0.13, lw=0
    )


def _level(axes: Axes, method: str, value: float) -> None:
    axes.axhline(value, color=color_of(method), lw=1.4, ls=DASHES.get(method, "--"), label=method)
