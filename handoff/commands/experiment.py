"""`baton experiment NAME`: a comparison of ways to learn a search, and its report; the same command continues it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handoff import console
from handoff.commands.options import CONFIG_OPTION, option_lines, parse_options
from robots.errors import UsageError

EXPERIMENTS = Path(__file__).resolve().parents[2] / "configs" / "experiments"


def help_lines(_command: str) -> list[str]:
    """The experiments there are, and the options of `search_policy.experiment.config.ExperimentConfig`."""
    from search_policy.experiment.config import ExperimentConfig

    return [f"  NAME  {', '.join(sorted(_shipped()))}", *option_lines(ExperimentConfig)]


def run(_command: str, arguments: Sequence[str]) -> int:
    """Run what is missing of the comparison, write its report, and print the headline.

    Raises:
        UsageError: There is no such experiment, an option is wrong, or the folder belongs to another configuration.
    """
    from search_policy.experiment.config import ExperimentConfig

    config = parse_options(ExperimentConfig, named(arguments))
    from handoff.commands.experiment_report import write_report
    from search_policy.experiment.run import run as run_experiment

    results = run_experiment(config)
    for text in write_report(config, results):
        console.line(text)
    return 0


def named(arguments: Sequence[str]) -> list[str]:
    """Return the options with the shipped experiment's file in place of its name.

    Raises:
        UsageError: There is no such experiment, or none is named.
    """
    shipped, rest = _shipped(), list(arguments)
    if not rest or (rest[0].startswith("--") and not any(word.startswith(f"--{CONFIG_OPTION}") for word in rest)):
        raise UsageError(f"experiment: name one of {', '.join(sorted(shipped))}, or a file with --{CONFIG_OPTION}.")
    if rest[0].startswith("--"):
        return rest
    if rest[0] not in shipped:
        raise UsageError.unknown("experiment", rest[0], sorted(shipped))
    return [f"--{CONFIG_OPTION}", str(shipped[rest[0]]), *rest[1:]]


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in EXPERIMENTS.glob("*.yaml")}
