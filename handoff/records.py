"""One episode's row in `episodes.csv`: what the controller knows, and what the judge knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from handoff.outcome import Outcome
from robots.errors import UsageError


@dataclass(frozen=True, slots=True)
class Job:
    """One episode to run: a method on a layout.

    Attributes:
        method: Name of the method.
        seed: Seed of the layout.
        video: Whether to keep a video.
    """

    method: str
    seed: int
    video: bool

    @property
    def key(self) -> tuple[str, int]:
        """What makes an episode unique in a run."""
        return self.method, self.seed

    @property
    def name(self) -> str:
        """File name of the episode's video, without a suffix."""
        return f"{self.method.replace('+', '-')}-{self.seed}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge's ground truth of one episode. Never seen by the controller.

    Attributes:
        found: When the trigger confirmed, the target was truly visible and the trigger's box overlapped its true mask.
        steps_to_find: Control periods before the first such confirmation, or None.
        false_handoffs: Confirmations that were not such: handoffs that the search asked for without a target.
        completed: The target was lifted at least 5 cm and held at the end.
        collisions: Control periods with a forbidden contact.
        oracle_steps: Control periods of the shortest search with full knowledge, or None where it is not known.
    """

    found: bool
    steps_to_find: int | None
    false_handoffs: int
    completed: bool
    collisions: int
    oracle_steps: int | None = None


@dataclass(frozen=True, slots=True)
class EpisodeRecord:
    """One row. Fields of the verdict are None without a judge, as on a real robot. See `docs/run-folder.md`."""

    method: str
    seed: int
    task: str
    absent: bool
    stop_reason: str
    found: bool | None
    completed: bool | None
    handoffs: int
    false_handoffs: int | None
    grasp_failures: int
    steps: int
    steps_to_find: int | None
    steps_to_handoff: int | None
    oracle_steps: int | None
    handoff_latency_ms: tuple[float, ...]
    collisions: int | None
    refusals: dict[str, int]
    duration_s: float
    loop_rate_error: float | None
    loop_period_ms_p99: float | None
    loop_overruns: int | None
    wall_s: float
    dropped: int
    video: str

    @property
    def key(self) -> tuple[str, int]:
        """What makes an episode unique in a run."""
        return self.method, self.seed

    def to_row(self) -> dict[str, str]:
        """Encode for CSV: empty for None, JSON for everything but text."""
        return {name: _cell(value) for name, value in asdict(self).items()}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Decode a row of `to_row`.

        Raises:
            UsageError: A column is missing or damaged.
        """
        try:
            values = {name: _value(name, row[name]) for name in COLUMNS}
        except (KeyError, ValueError, TypeError) as error:
            raise UsageError(f"episodes.csv holds a damaged row ({error}); remove that row and resume.") from error
        values["handoff_latency_ms"] = tuple(values["handoff_latency_ms"])
        return cls(**values)

    @classmethod
    def build(
        cls,
        job: Job,
        task: str,
        *,
        absent: bool,
        outcome: Outcome,
        verdict: Verdict | None,
        wall_s: float,
        dropped: int,
        video: str,
    ) -> Self:
        """Join what the controller and the judge know of one episode."""
        return cls(
            method=job.method,
            seed=job.seed,
            task=task,
            absent=absent,
            stop_reason=str(outcome.stop_reason),
            found=verdict.found if verdict else None,
            completed=verdict.completed if verdict else None,
            handoffs=outcome.handoffs,
            false_handoffs=verdict.false_handoffs if verdict else None,
            grasp_failures=outcome.grasp_failures,
            steps=outcome.steps,
            steps_to_find=verdict.steps_to_find if verdict else None,
            steps_to_handoff=outcome.steps_to_handoff,
            oracle_steps=verdict.oracle_steps if verdict else None,
            handoff_latency_ms=tuple(round(1e3 * value, 3) for value in outcome.handoff_latency_s),
            collisions=verdict.collisions if verdict else None,
            refusals=dict(outcome.refusals),
            duration_s=round(outcome.duration_s, 4),
            loop_rate_error=round(outcome.loop.rate_error, 6) if outcome.loop else None,
            loop_period_ms_p99=round(outcome.loop.period_ms_p99, 3) if outcome.loop else None,
            loop_overruns=outcome.loop.overruns if outcome.loop else None,
            wall_s=round(wall_s, 2),
            dropped=dropped,
            video=video,
        )


COLUMNS = tuple(item.name for item in fields(EpisodeRecord))
_TEXT = ("method", "task", "stop_reason", "video")


def _cell(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, separators=(",", ":"))


def _value(name: str, cell: str) -> Any:  # noqa: ANN401
    if name in _TEXT:
        return cell
    return None if cell == "" else json.loads(cell)
