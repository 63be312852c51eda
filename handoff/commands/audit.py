"""`baton audit`: does a privileged signal help the critic? Two tests on recorded episodes, before hours are spent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from handoff import console
from handoff.commands.options import option_lines, parse_options
from robots.errors import UsageError
from search_policy.learning.reward import RewardConfig

if TYPE_CHECKING:
    from search_policy.audit.decisions import AuditedDecisions
    from search_policy.audit.report import Finding


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Options of `baton audit`.

    Raises:
        UsageError: A value is out of range.
    """

    # Folder of a LeRobotDataset with columns named privileged.*, or of shards of demonstrations
    data: str = ""
    # Privileged columns to audit, for instance target_position,target_visibility; all of them when it is left out
    signals: tuple[str, ...] = ()
    # Discount per control step
    discount: float = 0.995
    # Weights of the reward, as in training; for data sets that record none
    reward: RewardConfig = field(default_factory=RewardConfig)
    # Parts of the episodes that predict each other
    folds: int = 5
    # Decisions that are looked at, at most about; the same number from each episode
    rows: int = 1200
    # Sign flips and bootstrap draws
    draws: int = 4000
    # Seed of folds, decisions and draws
    seed: int = 0
    # Print one JSON object instead of a table
    json: bool = False

    def __post_init__(self) -> None:
        if not self.data:
            raise UsageError("audit: say which recorded episodes with --data DIR.")
        if not 0.0 < self.discount <= 1.0:
            raise UsageError("audit: discount must lie in (0, 1].")


def help_lines(_command: str) -> list[str]:
    """The options of `AuditOptions`."""
    return option_lines(AuditOptions)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Audit and print a line for each signal.

    Raises:
        UsageError: The data set cannot be audited.
    """
    options = parse_options(AuditOptions, arguments)
    from search_policy.audit.decisions import load_decisions
    from search_policy.audit.report import AuditSettings, audit

    settings = AuditSettings(options.folds, options.rows, options.draws, options.seed)
    decisions = load_decisions(Path(options.data), options.signals, options.discount, options.reward)
    total = len(decisions.signals) + (len(decisions.signals) > 1)
    with tqdm(total=total, desc="signals", disable=None, leave=False) as bar:
        found = audit(decisions, settings, bar.update)
    if options.json:
        console.line(json.dumps(_described(options, decisions, found)))
    else:
        _say(decisions, found)
    return 0


def _described(options: AuditOptions, decisions: AuditedDecisions, found: Sequence[Finding]) -> dict[str, object]:
    return {
        "options": asdict(options),
        "episodes": decisions.episodes,
        "decisions": len(decisions.returns),
        "agent_state": list(decisions.state),
        "left_out": list(decisions.left_out),
        "signals": [asdict(item) for item in found],
    }


def _say(decisions: AuditedDecisions, found: Sequence[Finding]) -> None:
    console.line(f"{decisions.episodes} episodes, {len(decisions.returns)} decisions")
    for name in decisions.left_out:
        console.line(f"the agent state lacks {name}, which is stored as video: a signal that it shows may look helpful")
    header = ("signal", "known from z", "dependence", "p", "value error", "95 % interval", "p", "rank", "verdict")
    for text in console.table(header, [_row(item) for item in found]):
        console.line(text)
    for item in found:
        console.line(f"{item.signal}: {item.verdict}: {item.reason}")


def _row(item: Finding) -> tuple[str, ...]:
    low, high = item.gain.interval
    return (
        item.signal,
        f"{max(item.known, 0.0):.0%}",
        f"{item.dependence.strength:.2f}",
        f"{item.dependence.p:.3f}",
        f"{-item.gain.share:+.1%}",
        f"[{-high:+.1%}, {-low:+.1%}]",
        f"{item.gain.p:.3f}",
        f"{item.gain.rank:+.3f}",
        item.verdict,
    )
