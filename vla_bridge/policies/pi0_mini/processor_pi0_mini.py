"""Processors of `pi0_mini`, found by LeRobot through this module's and this function's name.

They are pi0's but for two steps: the tokenizer is our own (pi0's is downloaded from a gated place), and there is no
newline step, because our tokenizer ignores white space.
"""

from __future__ import annotations

from vla_bridge.policies.pi0_mini.configuration_pi0_mini import Pi0MiniConfig
from vla_bridge.policies.processors import Processors, Stats, make_processors


def make_pi0_mini_pre_post_processors(config: Pi0MiniConfig, dataset_stats: Stats | None = None) -> Processors:
    """Return the preprocessor and the postprocessor; see `make_processors`."""
    return make_processors(config, dataset_stats)
