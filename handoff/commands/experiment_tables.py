"""A comparison's tables as text, for the page and for Markdown: the same cells in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: Above it.
        header: Names of the columns.
        rows: One row per method; the first column names it.
        note: Below it.
    """

    title: str
    header: Cells
    rows: tuple[Cells, ...]
    note: str = ""

    def markdown(self) -> str:
        """Return the table as Markdown, with its title and note."""
        lines = [f"### {self.title}", "", _line(self.header), _line(["---"] * len(self.header)), *map(_line, self.rows)]
        return "\n".join([*lines, "", *([self.note, ""] if self.note else [])])


def result_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return success, steps and the rest, one row per method and number of demonstrations."""
    header = (
        *("method", "demonstrations", "seeds", "found % [Wilson 95 %]", "steps, mean [95 %]", "median", "p90"),
        *("SPL", "steps in collision", "false fixations"),
    )
    return Table(title, header, tuple(_result(row) for row in rows), RESULT_NOTE)


RESULT_NOTE = (
    "Steps are control steps; a search that fails counts as the limit. Their interval is a bootstrap over training "
    "seeds and layouts. SPL: success weighted by the oracle's steps over the own ones. Collisions and false fixations "
    "are sums over all searches."
)


def appearance_table(title: str, rows: Sequence[Mapping[str, Any]], appearances: Sequence[str]) -> Table:
    """Return success and steps by appearance, one row per method."""
    header = ("method", *(f"{name}: {what}" for name in appearances for what in ("found %", "steps")))
    by_method: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_method.setdefault(row["method"], {})[row["appearance"]] = row
    lines = [
        (method, *(cell for name in appearances for cell in _plain(found.get(name))))
        for method, found in by_method.items()
    ]
    return Table(title, header, tuple(lines))


def occlusion_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return success and steps by how much of the target the best reachable view shows, one row per method."""
    bins = list(rows[0]["occlusion"])
    header = ("method", *(f"{name} occlusion: {what}" for name in bins for what in ("found", "steps")))
    lines = [(row["method"], *(cell for name in bins for cell in _bin(row["occlusion"][name]))) for row in rows]
    return Table(title, header, tuple(lines), OCCLUSION_NOTE)


OCCLUSION_NOTE = (
    "Low: the best reachable view shows at least 85 % of the target; medium: 60 to 85 %; high: less than 60 %."
)


def failure_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return why searches failed, and how many of all searches drifted or stared, one row per method."""
    causes, behaviours = (
        list(rows[0]["causes"]),
        ("collisions", "staring at the floor", "staring at the ceiling", "drift"),
    )
    header = ("method", "failed", *(f"failed: {name}" for name in causes), *(f"any: {name}" for name in behaviours))
    lines = [
        (
            row["method"],
            f"{row['searches'] - row['found']} of {row['searches']}",
            *(str(row["causes"][name]) for name in causes),
            *(str(row["behaviours"][name]) for name in behaviours),
        )
        for row in rows
    ]
    return Table(title, header, tuple(lines), FAILURE_NOTE)


FAILURE_NOTE = (
    "The first columns name each failed search's cause, the first that fits; the last ones count searches that "
    "showed a behaviour, failed or not. Collisions: a second or more in contact. Staring: a third of the time or more "
    "with the camera more than 50 degrees up or down. Drift: five seconds without anything new and without the target "
    "in view. Gave up: every view was visited."
)


def comparison_table(title: str, comparisons: Sequence[Mapping[str, Any]]) -> Table:
    """Return the planned comparisons, one row per pair and setting."""
    header = (
        *("setting", "first", "second", "seeds", "steps, first - second [95 %]", "p of steps"),
        *("found, points, first - second [95 %]", "p of found"),
    )
    lines = [
        (
            *(item["text"], item["first"], item["second"], str(item["seeds"])),
            *_measure(item["steps"], 1.0),
            *_measure(item["success"], 100.0),
        )
        for item in comparisons
    ]
    return Table(title, header, tuple(lines), COMPARISON_NOTE)


COMPARISON_NOTE = (
    "Paired over layouts, differences averaged over training seeds first. p: Wilcoxon's signed-rank test for steps, "
    "McNemar's exact test for success (with several training seeds its generalisation, a sign-flip permutation test), "
    "corrected by Holm's method over all comparisons of a setting and both measures. Intervals: bootstrap over "
    "training seeds and layouts. A difference is claimed only where p < 0.05 and the interval leaves out zero."
)


def _result(row: Mapping[str, Any]) -> Cells:
    rate, low, high = (100 * value for value in row["success"])
    mean, least, most = row["steps"]
    return (
        row["method"],
        str(row["demonstrations"] or "–"),
        str(row["seeds"] if row["demonstrations"] else "–"),
        f"{rate:.1f} [{low:.1f}, {high:.1f}]",
        f"{mean:.1f} [{least:.1f}, {most:.1f}]",
        f"{row['steps_median']:.0f}",
        f"{row['steps_p90']:.0f}",
        "–" if row["spl"] is None else f"{row['spl']:.2f}",
        str(row["collision_steps"]),
        str(row["false_fixations"]),
    )


def _plain(row: Mapping[str, Any] | None) -> Cells:
    return ("–", "–") if row is None else (f"{100 * row['success'][0]:.1f}", f"{row['steps'][0]:.1f}")


def _bin(found: Mapping[str, Any] | None) -> Cells:
    return ("–", "–") if found is None else (f"{found['found']}/{found['searches']}", f"{found['steps']:.1f}")


def _measure(measure: Mapping[str, Any], scale: float) -> Cells:
    low, high = (scale * value for value in measure["ci95"])
    return f"{scale * measure['difference']:+.1f} [{low:+.1f}, {high:+.1f}]", f"{measure['p_holm']:.2g}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
