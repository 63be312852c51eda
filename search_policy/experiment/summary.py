"""From finished cells to one JSON-ready summary: measures, comparisons, costs, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from search_policy.experiment.comparisons import Comparison, compare, corrected
from search_policy.experiment.config import ORACLE, ExperimentConfig
from search_policy.experiment.grid import Setting, cells
from search_policy.experiment.measures import Sample, describe
from search_policy.experiment.results import CellResult
from search_policy.learning.config import ACTION_SPACES, METHODS

Samples = Mapping[tuple[Setting, str, str], dict[int, CellResult]]  # (setting, method, appearance) -> by training seed


def summarize(config: ExperimentConfig, results: Sequence[CellResult]) -> dict[str, Any]:
    """Return everything that the report shows, as plain values.

    Args:
        config: What was planned.
        results: The finished cells.
    """
    samples = _by_place(results)
    return {
        "planned": len(cells(config)),
        "finished": len(results),
        "layouts": [config.layout_seeds[0], config.layout_seeds[-1]],
        "appearances": list(config.appearances),
        "max_steps": config.max_steps,
        "measures": [
            {
                **asdict(setting),
                "method": method,
                "appearance": appearance,
                **describe(_sample(runs, appearance), _oracle(samples, setting, appearance)),
            }
            for (setting, method, appearance), runs in samples.items()
        ],
        "comparisons": list(_compared(config, samples)),
        "curves": list(_curves(results)),
        "cost": _cost(results),
        "missing": missing(config, results),
        "left_out": left_out(config),
    }


def missing(config: ExperimentConfig, results: Sequence[CellResult]) -> list[str]:
    """Return one line per method and setting whose cells are not all finished."""
    done = {result.cell for result in results}
    planned: dict[tuple[Setting, str], list[bool]] = {}
    for cell in cells(config):
        planned.setdefault((cell.setting, cell.method), []).append(cell in done)
    return [
        f"{method}, {setting_text(setting)}: {sum(finished)} of {len(finished)} training seeds"
        if setting.demonstrations
        else f"{method}, {setting.task}: not run"
        for (setting, method), finished in planned.items()
        if not all(finished)
    ]


def left_out(config: ExperimentConfig) -> list[str]:
    """Return what this comparison does not cover, of what there is."""
    lines = [f"method {name} ({text})" for name, text in METHODS.items() if name not in config.methods]
    lines += [
        f"action space {name} ({text})" for name, text in ACTION_SPACES.items() if name not in config.action_spaces
    ]
    if config.memories == ("none",):
        lines.append("memories of earlier decisions (window, gru, attention): the seen-map is the memory")
    if config.online == (0,):
        lines.append("online episodes: every training is offline")
    return lines


def setting_text(setting: Setting) -> str:
    """Return a setting in words."""
    parts = [setting.task, f"{setting.demonstrations} demonstrations"] if setting.demonstrations else [setting.task]
    parts += [setting.action_space] if setting.action_space != "viewpoint" else []
    parts += [f"memory {setting.memory}"] if setting.memory != "none" else []
    parts += [f"{setting.online} online episodes"] if setting.online else []
    return ", ".join(parts)


def _by_place(results: Iterable[CellResult]) -> Samples:
    places: dict[tuple[Setting, str, str], dict[int, CellResult]] = {}
    for result in results:
        for appearance in result.rows:
            key = (result.cell.setting, result.cell.method, appearance)
            places.setdefault(key, {})[result.cell.seed] = result
    return places


def _sample(runs: Mapping[int, CellResult], appearance: str, seeds: Iterable[int] | None = None) -> Sample:
    chosen = sorted(runs) if seeds is None else sorted(seeds)
    return Sample(tuple(runs[seed].rows[appearance] for seed in chosen))


def _oracle(samples: Samples, setting: Setting, appearance: str) -> Sample | None:
    runs = samples.get((Setting(setting.task), ORACLE, appearance))
    return None if runs is None else _sample(runs, appearance)


def _compared(config: ExperimentConfig, samples: Samples) -> Iterable[dict[str, Any]]:
    appearance = config.appearances[0]
    for setting in sorted({setting for setting, _, _ in samples}):
        found = [
            item
            for first, second in config.pairs
            if (item := _pair(samples, setting, appearance, first, second)) is not None
        ]
        for item in corrected(found):
            yield {"setting": asdict(setting), "text": setting_text(setting), **item.to_dict()}


def _pair(samples: Samples, setting: Setting, appearance: str, first: str, second: str) -> Comparison | None:
    """Compare two methods in a setting; a scripted one has no training seeds and is paired with every seed."""
    sides = [_side(samples, setting, appearance, name) for name in (first, second)]
    if sides[0] is None or sides[1] is None:
        return None
    (one, one_learned), (other, other_learned) = sides[0], sides[1]
    if setting.demonstrations and not (one_learned or other_learned):
        return None
    shared = set(one) & set(other) if one_learned and other_learned else None
    if shared is not None and not shared:
        return None
    return compare((first, _sample(one, appearance, shared)), (second, _sample(other, appearance, shared)))


def _side(
    samples: Samples, setting: Setting, appearance: str, method: str
) -> tuple[Mapping[int, CellResult], bool] | None:
    learned = samples.get((setting, method, appearance))
    if learned is not None:
        return learned, setting.demonstrations > 0
    scripted = samples.get((Setting(setting.task), method, appearance))
    return None if scripted is None else (scripted, False)


def _curves(results: Sequence[CellResult]) -> Iterable[dict[str, Any]]:
    """Yield, per setting and method, the mean and range over training seeds of every metric of the training curves."""
    places: dict[tuple[Setting, str], list[CellResult]] = {}
    for result in results:
        if result.curves:
            places.setdefault((result.cell.setting, result.cell.method), []).append(result)
    for (setting, method), runs in places.items():
        names = sorted({name for run in runs for row in run.curves for name in row} - {"step"})
        metrics = {name: _curve(runs, name) for name in names}
        yield {"setting": asdict(setting), "method": method, "seeds": len(runs), "metrics": metrics}


def _curve(runs: Sequence[CellResult], name: str) -> dict[str, list[float]]:
    """Return steps with mean, least and largest value over the training seeds."""
    values: dict[int, list[float]] = {}
    for run in runs:
        for row in run.curves:
            if name in row:
                values.setdefault(int(row["step"]), []).append(row[name])
    steps = sorted(values)
    return {
        "step": [float(step) for step in steps],
        "mean": [float(np.mean(values[step])) for step in steps],
        "low": [min(values[step]) for step in steps],
        "high": [max(values[step]) for step in steps],
    }


def _cost(results: Sequence[CellResult]) -> dict[str, float]:
    learned = [result for result in results if result.cell.learned]
    return {
        "train_cpu_s": sum(result.train_cpu_s for result in results),
        "evaluation_cpu_s": sum(result.evaluation_cpu_s for result in results),
        "train_cpu_s_per_cell": float(np.mean([r.train_cpu_s for r in learned])) if learned else 0.0,
        "evaluation_cpu_s_per_cell": float(np.mean([r.evaluation_cpu_s for r in results])) if results else 0.0,
    }
