"""The audit of a data set: both tests for every privileged signal and for all together, corrected, and in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from robots.errors import UsageError
from search_policy.audit.decisions import AuditedDecisions, Matrix
from search_policy.audit.informativeness import Dependence, Gain, dependence, gain
from search_policy.audit.regression import (
    corrected_values,
    cross_fit,
    episode_folds,
    kernel,
    principal_features,
    standardised,
)

TOGETHER = "all together"
# Above this share of a signal that z predicts on other episodes, z holds the signal.
KNOWN = 0.97
SIGNAL_SCALES = (1.0, 4.0)
ALPHA = 0.05
HELPS, DOES_NOT_HELP, UNDECIDED = "helps", "does not help", "undecided"


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How to audit.

    Attributes:
        folds: Parts that predict each other, by episode.
        rows: Decisions that are looked at, at most about.
        draws: Sign flips and bootstrap draws.
        seed: Of folds, rows and draws.
    """

    folds: int = 5
    rows: int = 1200
    draws: int = 4000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2 or min(self.rows, self.draws) < 100:
            raise UsageError("audit: folds must be at least 2, rows and draws at least 100.")


@dataclass(frozen=True, slots=True)
class Finding:
    """What the tests say about one signal.

    Attributes:
        signal: Its name.
        known: Share of the signal that z predicts on other episodes.
        dependence: Of the return on the signal given z; its p is corrected.
        gain: Of a value that sees the signal; its p is corrected.
        verdict: `HELPS`, `DOES_NOT_HELP` or `UNDECIDED`.
        reason: In words.
    """

    signal: str
    known: float
    dependence: Dependence
    gain: Gain
    verdict: str
    reason: str


def audit(
    decisions: AuditedDecisions, settings: AuditSettings, done: Callable[[], object] = lambda: None
) -> list[Finding]:
    """Return a finding for each signal, and for all together where there are several.

    Args:
        decisions: What was recorded.
        settings: How to audit.
        done: Called after each signal.

    Raises:
        UsageError: There are fewer episodes than folds, or every return is the same.
    """
    rng = np.random.default_rng(settings.seed)
    if decisions.episodes < settings.folds:
        raise UsageError(f"audit: {decisions.episodes} episodes are fewer than {settings.folds} folds.")
    if np.ptp(decisions.returns) < 1e-9:
        raise UsageError("audit: every return is the same, so no signal can explain it.")
    kept = decisions.thinned(settings.rows, rng)
    fold = episode_folds(kept.episode, settings.folds, rng)
    state = kernel(list(kept.state.values()))
    groups = {name: [values] for name, values in kept.signals.items()}
    if len(groups) > 1:
        groups[TOGETHER] = list(kept.signals.values())
    found = []
    for name, blocks in groups.items():
        found.append(_finding(name, blocks, state, kept, fold, settings, rng))
        done()
    return corrected(found)


def corrected(found: list[Finding]) -> list[Finding]:
    """Return the findings with p values after Holm (1979), for each test apart, and with their verdicts."""
    depends = multipletests([item.dependence.p for item in found], method="holm")[1]
    gains = multipletests([item.gain.p for item in found], method="holm")[1]
    return [
        _judged(replace(item, dependence=replace(item.dependence, p=float(p)), gain=replace(item.gain, p=float(q))))
        for item, p, q in zip(found, depends, gains, strict=True)
    ]


def _finding(
    name: str,
    blocks: list[Matrix],
    state: Matrix,
    kept: AuditedDecisions,
    fold: NDArray[np.int64],
    settings: AuditSettings,
    rng: np.random.Generator,
) -> Finding:
    raw = np.concatenate([standardised(block) for block in blocks], axis=1)
    if not raw.shape[1]:
        return Finding(name, 1.0, Dependence(0.0, 1.0), Gain(0.0, (0.0, 0.0), 0.0, 1.0), "", "")
    returns = kept.returns[:, None]
    features = principal_features(kernel(blocks, SIGNAL_SCALES, linear=0.0))
    expected, predicted, told = cross_fit(state, [returns, features, raw], kept.episode, fold)
    informed = corrected_values(state, kernel(blocks, SIGNAL_SCALES), returns, kept.episode, fold)
    known = 1.0 - float(np.square(raw - told).sum() / np.square(raw - raw.mean(axis=0)).sum())
    depends = dependence(features - predicted, (returns - expected)[:, 0], kept.episode, settings.draws, rng)
    gained = gain(kept.returns, expected[:, 0], informed[:, 0], kept.episode, settings.draws, rng)
    return Finding(name, known, depends, gained, "", "")


def _judged(item: Finding) -> Finding:
    verdict, reason = _verdict(item)
    return replace(item, verdict=verdict, reason=reason)


def _verdict(item: Finding) -> tuple[str, str]:
    depends, gains = item.dependence.p < ALPHA, item.gain.p < ALPHA
    if item.known >= KNOWN:
        return DOES_NOT_HELP, "the agent state already tells it"
    if depends and gains:
        return HELPS, "the return depends on it, and a value that sees it errs less"
    if depends:
        return UNDECIDED, "the return depends on it, but a value that sees it errs no less with so few episodes"
    if gains:
        return UNDECIDED, "a value that sees it errs less, but no dependence shows"
    return DOES_NOT_HELP, "no dependence of the return on it, and no gain"
