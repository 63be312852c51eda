"""Episodes between processes and machines: privileged values are read-only mappings, which cannot be sent as such."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from robots.types import Privileged
from search_policy.episodes.rollout import DecisionRecord, SearchEpisode


@dataclass(frozen=True, slots=True)
class PackedEpisode:
    """An episode as plain values.

    Attributes:
        records: The fields of each decision record, privileged entries as a dictionary.
        rest: The episode's other fields.
    """

    records: tuple[dict[str, Any], ...]
    rest: dict[str, Any]

    @classmethod
    def of(cls, episode: SearchEpisode) -> PackedEpisode:
        """Pack an episode."""
        records = tuple(
            {**_values(record), "privileged": dict(record.privileged.values)} for record in episode.decisions
        )
        return cls(records, {name: value for name, value in _values(episode).items() if name != "decisions"})

    def unpack(self) -> SearchEpisode:
        """Return the episode."""
        decisions = tuple(
            DecisionRecord(**{**record, "privileged": Privileged(record["privileged"])}) for record in self.records
        )
        return SearchEpisode(decisions=decisions, **self.rest)


def _values(item: DecisionRecord | SearchEpisode) -> dict[str, Any]:
    return {field.name: getattr(item, field.name) for field in fields(item)}
