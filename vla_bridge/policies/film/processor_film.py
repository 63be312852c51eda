"""Processors of the FiLM policy, found by LeRobot through this module's and this function's name."""

from __future__ import annotations

from vla_bridge.policies.film.configuration_film import FilmConfig
from vla_bridge.policies.processors import Processors, Stats, make_processors


def make_film_pre_post_processors(config: FilmConfig, dataset_stats: Stats | None = None) -> Processors:
    """Return the preprocessor and the postprocessor; see `make_processors`."""
    return make_processors(config, dataset_stats)
