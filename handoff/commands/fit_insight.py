"""`baton fit-insight`: train what tells a search skill what stands where, and what that hints at."""

from __future__ import annotations

import time
from collections.abc import Sequence

from handoff import console
from handoff.commands.options import option_lines, parse_options


def help_lines(_command: str) -> list[str]:
    """The options of `search_policy.semantics.config.InsightConfig`."""
    from search_policy.semantics.config import InsightConfig

    return option_lines(InsightConfig)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Train and print where the insight lies and what it measured on what was held out.

    Raises:
        UsageError: A task or a value is not valid, or the folder holds another run.
    """
    from robots.sim.randomization import load_randomization
    from search_policy.semantics.config import InsightConfig
    from search_policy.semantics.storage import read_facts
    from search_policy.semantics.training import fit_insight

    config = parse_options(InsightConfig, arguments)
    load_randomization(config.randomization)
    began = time.perf_counter()
    folder = fit_insight(config)
    for name, value in read_facts(folder).items():
        if name.startswith("held_out_"):
            console.line(f"{name.removeprefix('held_out_').replace('_', ' ').ljust(14)} {value:.3f}")
    console.line(f"insight        {folder} ({time.perf_counter() - began:.0f} s)")
    return 0
