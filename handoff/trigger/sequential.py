"""Sequential tests on a stream of log-likelihood ratios [nat]: when to look again, and when to be sure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from robots.errors import UsageError


def cusum(total: float, ratio: float) -> float:
    """Return the next value of the one-sided cumulative sum: S' = max(0, S + l).

    Page, "Continuous inspection schemes", Biometrika 41, 1954.
    """
    return max(0.0, total + ratio)


def cusum_threshold(frames_per_s: float, false_candidates_per_hour: float) -> float:
    """Return the threshold h for a wanted rate of false candidates: h = ln(3600 f / F).

    From the bound on the mean time between false alarms, ARL0 >= exp(h) frames (Lorden, Ann. Math. Stat. 42, 1971),
    which holds for independent frames with exact likelihood ratios: a starting point, to be checked on logs.

    Raises:
        UsageError: A rate is not positive, or more false candidates are wanted than there are frames.
    """
    if frames_per_s <= 0.0 or not 0.0 < false_candidates_per_hour < 3600.0 * frames_per_s:
        raise UsageError("A CUSUM threshold needs positive rates, with fewer false candidates than frames.")
    return math.log(3600.0 * frames_per_s / false_candidates_per_hour)


class Verdict(StrEnum):
    """Where a sequential probability ratio test stands."""

    OPEN = "open"
    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class SprtConfig:
    """Error rates of the second look.

    Attributes:
        alpha: Probability of accepting something else as the target.
        beta: Probability of rejecting the target.
        max_frames: Reject when this many frames did not decide.
    """

    alpha: float = 0.01
    beta: float = 0.05
    max_frames: int = 40

    def __post_init__(self) -> None:
        if not (0.0 < self.alpha < 0.5 and 0.0 < self.beta < 0.5):
            raise UsageError("trigger.sprt: alpha and beta must lie between 0 and 0.5.")
        if self.max_frames < 1:
            raise UsageError("trigger.sprt.max_frames must be at least 1.")


@dataclass(frozen=True, slots=True)
class Sprt:
    """State of the test: summed evidence, frames used, and the verdict once there is one."""

    total_nats: float = 0.0
    frames: int = 0
    verdict: Verdict = Verdict.OPEN


def sprt_bounds(config: SprtConfig) -> tuple[float, float]:
    """Return the rejection bound B = ln(beta / (1 - alpha)) and the acceptance bound A = ln((1 - beta) / alpha).

    Wald, "Sequential tests of statistical hypotheses", Ann. Math. Stat. 16, 1945, section 3.
    """
    return math.log(config.beta / (1.0 - config.alpha)), math.log((1.0 - config.beta) / config.alpha)


def sprt_step(state: Sprt, ratio: float, config: SprtConfig) -> Sprt:
    """Return the test's state after one more frame with evidence `ratio`; a decided test stays as it is.

    Truncation rejects, so it can only lower the rate of false acceptance.
    """
    if state.verdict is not Verdict.OPEN:
        return state
    total, frames = state.total_nats + ratio, state.frames + 1
    reject, accept = sprt_bounds(config)
    if total >= accept:
        return Sprt(total, frames, Verdict.ACCEPT)
    if total <= reject or frames >= config.max_frames:
        return Sprt(total, frames, Verdict.REJECT)
    return Sprt(total, frames)
