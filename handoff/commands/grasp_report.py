"""What `baton eval-grasps` found: counts with Wilson intervals, and one plot of success over the view at handoff."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from handoff import console
from handoff.plots import svg
from robots.statistics import mcnemar_exact, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#3b7cf5", "#e0911b", "#1f9e8f", "#a66be0", "#d9487d", "#5b8c3a")
SCRIPTED = {"expert": "#7c8796", "planned": "#b0a08a"}
GRASPED = "grasped"
Row = Mapping[str, Any]
Kind = tuple[str, str, bool]  # condition, view, and whether the object can be grasped


def summarize(rows: Sequence[Row], trials: Sequence[Row], policies: Sequence[str]) -> dict[str, Any]:
    """Return cells by policy, condition and view, starts by view, and paired comparisons.

    Args:
        rows: One per trial and policy.
        trials: The trials.
        policies: In the order of the report.
    """
    starts = Counter(map(_kind, trials))
    return {
        "policies": list(policies),
        "starts": [
            {"condition": condition, "bin": view, "graspable": graspable, "starts": count}
            for (condition, view, graspable), count in starts.items()
        ],
        "cells": [cell for policy in policies for cell in _cells(policy, rows, list(starts))],
        "pairs": _pairs(rows, policies),
    }


def _cells(policy: str, rows: Sequence[Row], kinds: Sequence[Kind]) -> list[dict[str, Any]]:
    """Return a policy's cells, in the order of the trials."""
    own: dict[Kind, list[Row]] = {kind: [] for kind in kinds}
    for row in rows:
        if row["policy"] == policy:
            own.setdefault(_kind(row), []).append(row)
    return [
        {"policy": policy, "condition": condition, "bin": view, "graspable": graspable} | _cell(members)
        for (condition, view, graspable), members in own.items()
        if members
    ]


def _kind(row: Row) -> Kind:
    return row["condition"], row["bin"], bool(row["graspable"])


def _cell(rows: Sequence[Row]) -> dict[str, Any]:
    outcomes = Counter(row["outcome"] for row in rows)
    grasped, wrong = outcomes[GRASPED], outcomes["wrong_object"]
    return {
        "trials": len(rows),
        "outcomes": dict(outcomes),
        "success": [grasped / len(rows), *(wilson(grasped, len(rows)) or ())],
        "wrong_object": [wrong / len(rows), *(wilson(wrong, len(rows)) or ())],
        "refused": outcomes["refused"] / len(rows),
        "with_contact": sum(row["contacts"] > 0 for row in rows),
        "with_knocked": sum(bool(row["knocked"]) for row in rows),
        "mean_steps": sum(row["steps"] for row in rows) / len(rows),
    }


def _pairs(rows: Sequence[Row], policies: Sequence[str]) -> list[dict[str, Any]]:
    """Compare every policy with the first one on the same trials, by an exact McNemar test per condition."""
    pairs = []
    for other in policies[1:]:
        for condition in dict.fromkeys(row["condition"] for row in rows):
            first, second = (_successes(rows, policy, condition) for policy in (policies[0], other))
            shared = [key for key in first if key in second]
            if shared:
                a, b = [first[key] for key in shared], [second[key] for key in shared]
                pairs.append(
                    {
                        "policies": [policies[0], other], "condition": condition, "trials": len(shared),
                        "grasped": [sum(a), sum(b)], "p": mcnemar_exact(a, b),
                    }
                )  # fmt: skip
    return pairs


def _successes(rows: Sequence[Row], policy: str, condition: str) -> dict[tuple[str, int], bool]:
    return {
        (row["bin"], row["seed"]): row["outcome"] == GRASPED
        for row in rows
        if row["policy"] == policy and row["condition"] == condition and row["graspable"]
    }


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """The summary as a table: one line per policy, condition and view."""
    header = ("policy", "test", "view", "trials", "grasped", "wrong", "refused", "contact", "knocked", "steps")
    return console.table(header, [_line(cell) for cell in summary["cells"]])


def _line(cell: Row) -> list[str]:
    share, low, high = (100.0 * value for value in cell["success"])
    blocked = "" if cell["graspable"] or cell["condition"] == "absent" else " (blocked)"
    return [
        cell["policy"],
        cell["condition"],
        f"{cell['bin']}{blocked}",
        str(cell["trials"]),
        f"{share:.0f} % [{low:.0f}, {high:.0f}]",
        str(cell["outcomes"].get("wrong_object", 0)),
        str(cell["outcomes"].get("refused", 0)),
        str(cell["with_contact"]),
        str(cell["with_knocked"]),
        f"{cell['mean_steps']:.0f}",
    ]


def views_plot(summary: Mapping[str, Any]) -> str:
    """Success over the view at handoff, with 95 % intervals, where the object can be grasped; a whole SVG file."""
    cells = [cell for cell in summary["cells"] if cell["condition"] == "view" and cell["graspable"]]
    views = list(dict.fromkeys(cell["bin"] for cell in cells))
    policies = [name for name in summary["policies"] if any(cell["policy"] == name for cell in cells)]

    def draw(axes: Axes) -> None:
        for index, policy in enumerate(policies):
            shift = 0.64 * ((index + 0.5) / len(policies) - 0.5)
            _points(
                axes, [cell for cell in cells if cell["policy"] == policy], views, shift, color_of(policy, policies)
            )
        counts = {view: max(cell["trials"] for cell in cells if cell["bin"] == view) for view in views}
        axes.set_xticks(range(len(views)), [f"{view.replace('_', ' ')}\nn = {counts[view]}" for view in views])
        axes.tick_params(axis="x", labelsize=8)
        axes.set(ylim=(-2, 102), xlim=(-0.6, len(views) - 0.4), ylabel="grasped [%]")
        axes.grid(visible=False, axis="x")
        axes.legend(loc="lower left", fontsize=8)

    return (
        standalone(svg("views", (max(1.05 * len(views), 4.0) + 1.0, 3.4), draw)) if cells else standalone("<svg></svg>")
    )


def _points(axes: Axes, cells: Sequence[Row], views: Sequence[str], shift: float, color: str) -> None:
    for cell in cells:
        place = views.index(cell["bin"]) + shift
        share, low, high = (100.0 * value for value in cell["success"])
        axes.plot([place, place], [low, high], color=color, lw=2, solid_capstyle="round")
        label = cell["policy"] if cell is cells[0] else None
        axes.plot([place], [share], "o", ms=6, mec=color, mfc=color, ls="none", label=label)


def color_of(policy: str, policies: Sequence[str]) -> str:
    """Return a policy's colour; the experts are grey."""
    learned = [name for name in policies if name not in SCRIPTED]
    return SCRIPTED[policy] if policy in SCRIPTED else COLORS[learned.index(policy) % len(COLORS)]


def standalone(element: str) -> str:
    """Return an inline SVG element as a file of its own, on white."""
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return element.replace("<svg", f'<svg {names} style="color:#333;--line:#ddd;background:#fff"', 1) + "\n"
