"""What an audit looks at: agent states, privileged signals and returns of any LeRobotDataset, as plain matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.errors import UsageError
from search_policy.audit.thumbnails import thumbnails
from search_policy.episodes.arrow_columns import misfit, numbers
from search_policy.episodes.dataset_checks import INFO, data_files, read_info, read_table
from search_policy.learning.reward import DecisionOutcome, RewardConfig, reward_terms

PREFIX, STATE = "privileged.", "observation"
REWARD, SUCCESS, STEPS = "next.reward", "next.success", "decision.steps"
LEAST_EPISODES = 20
_NUMERIC = ("float32", "float64", "int64", "int32", "bool")
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AuditedDecisions:
    """n decisions of E episodes.

    Attributes:
        state: Agent state z by column, (n, d) each.
        signals: Privileged signals by name, (n, d) each.
        returns: Discounted return from each decision on, (n,).
        episode: Number of each decision's episode, (n,).
        left_out: Observation columns that z lacks, because they are stored as video.
    """

    state: Mapping[str, Matrix]
    signals: Mapping[str, Matrix]
    returns: Matrix
    episode: NDArray[np.int64]
    left_out: tuple[str, ...] = ()

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(np.unique(self.episode))

    def thinned(self, rows: int, rng: np.random.Generator) -> AuditedDecisions:
        """Return at most about `rows` decisions: the same number of random ones from each episode."""
        share = max(rows // self.episodes, 1)
        order = rng.permutation(len(self.returns))
        kept = np.sort(np.concatenate([order[self.episode[order] == e][:share] for e in np.unique(self.episode)]))
        return AuditedDecisions(
            {name: values[kept] for name, values in self.state.items()},
            {name: values[kept] for name, values in self.signals.items()},
            self.returns[kept],
            self.episode[kept],
            self.left_out,
        )


def load_decisions(
    root: Path, signals: Sequence[str], discount: float, reward: RewardConfig | None = None
) -> AuditedDecisions:
    """Read a LeRobotDataset, or a folder of shards.

    Args:
        root: Folder with `meta/info.json`, or with `shard-*` folders that have it.
        signals: Privileged columns, with or without `privileged.`; all of them where it is empty.
        discount: Per control step.
        reward: Weights for the search's decisions, whose data sets record no reward; the default ones where it is None.

    Raises:
        UsageError: There is no data set, no privileged column, neither reward nor success, a value that is not finite,
            weights without effect, or there are too few episodes.
    """
    folders = [root] if (root / INFO).is_file() else sorted(path.parents[1] for path in root.glob(f"shard-*/{INFO}"))
    if not folders:
        raise UsageError(f"{root} holds neither {INFO} nor shard-*/{INFO}: give the folder of a LeRobotDataset.")
    infos = [read_info(folder) for folder in folders]
    chosen = _chosen(infos[0]["features"], signals, folders[0])
    state, left_out = _state_columns(infos[0]["features"], folders[0])
    names, weights = [*state, *chosen], reward or RewardConfig()
    parts = [_read(folder, info, names, discount, weights) for folder, info in zip(folders, infos, strict=True)]
    starts = np.cumsum([0, *(int(episode.max()) + 1 for _, _, episode in parts)])
    columns = {name: np.concatenate([values[name] for values, _, _ in parts]) for name in names}
    episode = np.concatenate([own + start for (_, _, own), start in zip(parts, starts, strict=False)])
    found = AuditedDecisions(
        {name: columns[name] for name in state},
        {name.removeprefix(PREFIX): columns[name] for name in chosen},
        np.concatenate([returns for _, returns, _ in parts]),
        episode,
        left_out,
    )
    if found.episodes < LEAST_EPISODES:
        raise UsageError(f"{root} holds {found.episodes} episodes; an audit needs at least {LEAST_EPISODES}.")
    return found


def discounted_returns(reward: Matrix, steps: Matrix, episode: NDArray[np.int64], discount: float) -> Matrix:
    """Return the discounted sum of rewards from each decision to the end of its episode, (n,).

    Args:
        reward: (n,).
        steps: Control steps that each decision lasts, (n,).
        episode: Rows of one episode lie together, (n,).
        discount: Per control step.
    """
    total = reward.astype(np.float64)
    for row in range(len(total) - 2, -1, -1):
        if episode[row] == episode[row + 1]:
            total[row] += discount ** steps[row] * total[row + 1]
    return total


def _chosen(features: Mapping[str, Any], signals: Sequence[str], folder: Path) -> list[str]:
    there = [name for name, item in features.items() if name.startswith(PREFIX) and item["dtype"] in _NUMERIC]
    if not there:
        raise UsageError(f"{folder} has no numeric column named {PREFIX}*: there is no privileged signal to audit.")
    wanted = [PREFIX + name.removeprefix(PREFIX) for name in signals]
    for name in wanted:
        if name not in there:
            short = [column.removeprefix(PREFIX) for column in there]
            raise UsageError.unknown("privileged signal", name.removeprefix(PREFIX), short, where=str(folder))
    return list(dict.fromkeys(wanted)) or there


def _state_columns(features: Mapping[str, Any], folder: Path) -> tuple[list[str], tuple[str, ...]]:
    named = [name for name in features if name.startswith(STATE)]
    kept = [name for name in named if features[name]["dtype"] in (*_NUMERIC, "image")]
    if not kept:
        raise UsageError(f"{folder} has no column named {STATE}* that can be read: there is no agent state.")
    return kept, tuple(name for name in named if name not in kept)


def _read(
    folder: Path, info: Mapping[str, Any], names: Sequence[str], discount: float, reward: RewardConfig
) -> tuple[dict[str, Matrix], Matrix, NDArray[np.int64]]:
    """Return columns, returns and episodes of one data set; an end frame, which decides nothing, is left out."""
    features = info["features"]
    outcome = [name for name in (REWARD, SUCCESS) if name in features]
    if not outcome:
        raise UsageError(f"{folder} has neither {REWARD!r} nor {SUCCESS!r}: there is no return to explain.")
    if reward != RewardConfig() and (REWARD in features or STEPS not in features):
        raise UsageError(f"{folder}: the reward's weights have no effect, for the return comes from {outcome[0]!r}.")
    extra = [name for name in (STEPS, "decision.collisions", "decision.coverage_gain") if name in features]
    tables = [(path, read_table(path)) for path in data_files(folder)]
    values: dict[str, Matrix] = {}
    for name in (*names, *outcome, *extra, "episode_index"):
        if name not in features:
            raise UsageError(f"{folder / INFO}: the column {name!r} is missing.")
        values[name] = np.concatenate([_column(path, table, name, features[name]) for path, table in tables])
    episode = values["episode_index"][:, 0].astype(np.int64)
    steps = values[STEPS][:, 0] if STEPS in extra else np.ones(len(episode))
    returns = discounted_returns(_rewards(values, steps, discount, reward), steps, episode, discount)
    decides = np.ones(len(episode), dtype=bool)
    if STEPS in extra:
        decides = np.concatenate([episode[1:] == episode[:-1], [False]])
    return {name: values[name][decides] for name in names}, returns[decides], episode[decides]


def _column(path: Path, table: Any, name: str, feature: Mapping[str, Any]) -> Matrix:  # noqa: ANN401 - arrow is untyped
    if name not in table.column_names:
        raise UsageError(f"{path}: the column {name!r} is missing.")
    problem = misfit(table[name], feature["dtype"], feature["shape"])
    if problem:
        raise UsageError(f"{path}: column {name!r} {problem}; expected {feature['dtype']} {tuple(feature['shape'])}.")
    if feature["dtype"] == "image":
        return thumbnails(table[name])
    values = numbers(table[name])
    if not np.isfinite(values).all():
        raise UsageError(f"{path}: column {name!r} holds a value that is not finite in row {_first_bad(values)}.")
    return values


def _first_bad(values: Matrix) -> int:
    return int(np.argmax(~np.isfinite(values).all(axis=1)))


def _rewards(values: Mapping[str, Matrix], steps: Matrix, discount: float, reward: RewardConfig) -> Matrix:
    """Return the recorded reward, or the reward of the search's decisions, or 1 for success, (n,)."""
    if REWARD in values:
        return values[REWARD][:, 0]
    success = values[SUCCESS][:, 0]
    if STEPS not in values:
        return success
    zeros = np.zeros((len(steps), 1))
    gain, collisions = (values.get(f"decision.{name}", zeros)[:, 0] for name in ("coverage_gain", "collisions"))
    outcomes = [
        DecisionOutcome(int(s), bool(f), float(g), int(c))
        for s, f, g, c in zip(steps, success, gain, collisions, strict=True)
    ]
    return np.array([sum(reward_terms(outcome, reward, discount).values()) for outcome in outcomes])
