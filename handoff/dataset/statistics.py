"""Statistics of a dataset from those of its episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PREFIX = "stats/"


def total_statistics(episodes: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Join the statistics of episodes, as LeRobot keeps them in `meta/episodes`, into `meta/stats.json`.

    Means and variances are exact: pooled by count. Quantiles are means of the episodes' quantiles weighted by count,
    as in LeRobot's own `aggregate_feature_stats`.

    Args:
        episodes: Rows with `stats/<column>/<min|max|mean|std|count|q..>`; an image column's have shape (3, 1, 1).
    """
    columns = sorted({key.split("/")[1] for row in episodes for key in row if key.startswith(PREFIX)})
    return {column: _total(column, episodes) for column in columns}


def _total(column: str, episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    prefix = f"{PREFIX}{column}/"
    parts = [
        {
            key.removeprefix(prefix): np.asarray(value, np.float64)
            for key, value in row.items()
            if key.startswith(prefix)
        }
        for row in episodes
    ]
    counts = np.array([part["count"].reshape(-1)[0] for part in parts])
    weights = (counts / counts.sum()).reshape(-1, *[1] * parts[0]["mean"].ndim)
    means, deviations = (np.stack([part[name] for part in parts]) for name in ("mean", "std"))
    mean = (weights * means).sum(0)
    variance = (weights * (deviations**2 + (means - mean) ** 2)).sum(0)
    quantiles = [name for name in parts[0] if name.startswith("q")]
    return {
        "min": np.min([part["min"] for part in parts], axis=0).tolist(),
        "max": np.max([part["max"] for part in parts], axis=0).tolist(),
        "mean": mean.tolist(),
        "std": np.sqrt(variance).tolist(),
        "count": [int(counts.sum())],
        **{name: (weights * np.stack([part[name] for part in parts])).sum(0).tolist() for name in quantiles},
    }
