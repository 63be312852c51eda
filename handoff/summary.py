"""`summary.json`: numbers with intervals per method, paired comparisons, and what the run was made with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from handoff import environment
from handoff.config import GENERALIST_ALONE, METHODS, EvalConfig
from handoff.records import EpisodeRecord
from handoff.statistics import Comparison, compare, poisson_rate
from robots.statistics import Interval, spl, wilson

SCHEMA = "baton.summary/1"
SIGNIFICANCE = 0.05


def build_summary(config: EvalConfig, episodes: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """Summarise finished episodes; a method without any is left out."""
    by_method = {name: sorted_by_seed(episodes, name) for name in config.methods}
    ran = {name: rows for name, rows in by_method.items() if rows}
    return {
        "schema": SCHEMA,
        "task": config.task,
        "variant": config.variant,
        "randomization": config.randomization,
        "generalist": config.vla.label,
        "seeds": list(config.seeds),
        "complete": len(episodes) == config.episodes * len(config.methods),
        "methods": {name: summarise(name, rows) for name, rows in ran.items()},
        "comparisons": _comparisons(ran),
        "versions": environment.versions(),
        "machine": environment.machine(),
        "git": environment.git(),
    }


def sorted_by_seed(episodes: Sequence[EpisodeRecord], method: str) -> list[EpisodeRecord]:
    """The episodes of one method, by layout."""
    return sorted((row for row in episodes if row.method == method), key=lambda row: row.seed)


def summarise(method: str, rows: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """Numbers of one method; those that need a judge are None without one."""
    latencies = [value for row in rows for value in row.handoff_latency_ms]
    return {
        "description": METHODS.get(method, method),
        "episodes": len(rows),
        **_success(rows),
        **_false_handoffs(method, rows),
        **_search(rows),
        "handoffs": sum(row.handoffs for row in rows),
        "handoff_latency_ms_p50": _percentile(latencies, 50),
        "handoff_latency_ms_p95": _percentile(latencies, 95),
        "grasp_failures": sum(row.grasp_failures for row in rows),
        "collisions": _total([row.collisions for row in rows]),
        "collision_episodes": None if _unjudged(rows) else sum(bool(row.collisions) for row in rows),
        "refusals": dict(sum((Counter(row.refusals) for row in rows), Counter())),
        "stop_reasons": dict(Counter(row.stop_reason for row in rows)),
        "duration_s_median": _percentile([row.duration_s for row in rows], 50),
        "loop": _loop(rows),
    }


def _loop(rows: Sequence[EpisodeRecord]) -> dict[str, float | None]:
    """The episode that kept its rate worst, in every figure."""
    errors = [abs(row.loop_rate_error) for row in rows if row.loop_rate_error is not None]
    periods = [row.loop_period_ms_p99 for row in rows if row.loop_period_ms_p99 is not None]
    return {
        "rate_error_max": max(errors, default=None),
        "period_ms_p99_median": _percentile(periods, 50),
        "period_ms_p99_max": max(periods, default=None),
        "overruns": sum(row.loop_overruns or 0 for row in rows),
    }


def _success(rows: Sequence[EpisodeRecord]) -> dict[str, Any]:
    if _unjudged(rows):
        names = (
            "found",
            "found_ci95",
            "completed",
            "completed_ci95",
            "completed_given_found",
            "completed_given_found_ci95",
        )
        return dict.fromkeys(names)
    found, completed = sum(bool(row.found) for row in rows), sum(bool(row.completed) for row in rows)
    both = sum(bool(row.found and row.completed) for row in rows)
    return {
        "found": found,
        "found_ci95": _listed(wilson(found, len(rows))),
        "completed": completed,
        "completed_ci95": _listed(wilson(completed, len(rows))),
        "completed_given_found": both / found if found else None,
        "completed_given_found_ci95": _listed(wilson(both, found)),
    }


def _false_handoffs(method: str, rows: Sequence[EpisodeRecord]) -> dict[str, Any]:
    # The generalist alone has no trigger: it is handed the robot whatever is in view, so nothing was claimed.
    if method == GENERALIST_ALONE or _unjudged(rows):
        names = (
            "false_handoffs",
            "false_handoff_episodes",
            "false_handoff_episodes_ci95",
            "false_handoffs_per_hour_ci95",
        )
        return dict.fromkeys(names)
    events = sum(row.false_handoffs or 0 for row in rows)
    episodes = sum(bool(row.false_handoffs) for row in rows)
    hours = sum(row.duration_s for row in rows) / 3600.0
    return {
        "false_handoffs": events,
        "false_handoff_episodes": episodes,
        "false_handoff_episodes_ci95": _listed(wilson(episodes, len(rows))),
        "false_handoffs_per_hour_ci95": _listed(poisson_rate(events, hours)),
    }


def _search(rows: Sequence[EpisodeRecord]) -> dict[str, Any]:
    steps = [row.steps_to_find for row in rows if row.steps_to_find is not None]
    return {
        "median_steps_to_find": _percentile(steps, 50),
        "steps_to_find_quartiles": [_percentile(steps, 25), _percentile(steps, 75)] if steps else None,
        "spl": spl(
            [bool(row.found) for row in rows], [row.steps_to_find for row in rows], [row.oracle_steps for row in rows]
        ),
    }


def _comparisons(ran: dict[str, list[EpisodeRecord]]) -> list[dict[str, Any]]:
    """The first method against each other one, on the layouts both finished."""
    names = [name for name, rows in ran.items() if not _unjudged(rows)]
    return [_comparison(names[0], other, ran) for other in names[1:]] if names else []


def _comparison(first: str, second: str, ran: dict[str, list[EpisodeRecord]]) -> dict[str, Any]:
    left, right = ({row.seed: row for row in ran[name]} for name in (first, second))
    seeds = sorted(left.keys() & right.keys())
    a, b = [left[seed] for seed in seeds], [right[seed] for seed in seeds]
    steps = [row.steps_to_find for row in a], [row.steps_to_find for row in b]
    found = compare([bool(row.found) for row in a], [bool(row.found) for row in b], *steps)
    completed = compare([bool(row.completed) for row in a], [bool(row.completed) for row in b], [], [])
    return {
        "first": first,
        "second": second,
        "found": asdict(found),
        "completed": {name: getattr(completed, name) for name in ("layouts", "first_only", "second_only", "success_p")},
        "claims": _claims(first, second, found, completed),
    }


def _claims(first: str, second: str, found: Comparison, completed: Comparison) -> list[str]:
    claims = _claim(first, second, "finds the target more often", found.success_p, found.lead)
    claims += _claim(first, second, "completes the task more often", completed.success_p, completed.lead)
    if GENERALIST_ALONE not in (first, second):
        claims += _claim(first, second, "needs fewer steps to find", found.steps_p, _faster(found))
    return claims


def _faster(found: Comparison) -> float:
    """How many steps fewer the first method needs on average; 0 where the interval does not exclude it."""
    interval = found.steps_difference_mean_ci95
    if interval is None or interval[0] <= 0.0 <= interval[1]:
        return 0.0
    return -(found.steps_difference_mean or 0.0)


def _claim(first: str, second: str, claim: str, p: float, lead: float) -> list[str]:
    """One sentence where the paired test carries a direction, else none."""
    if p >= SIGNIFICANCE or lead == 0:
        return []
    winner, loser = (first, second) if lead > 0 else (second, first)
    return [f"{winner} {claim} than {loser} (p = {p:.2g})."]


def _unjudged(rows: Sequence[EpisodeRecord]) -> bool:
    return any(row.found is None for row in rows)


def _total(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 3) if len(values) else None


def _listed(interval: Interval | None) -> list[float] | None:
    return [round(value, 4) for value in interval] if interval else None
