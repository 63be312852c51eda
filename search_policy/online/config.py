"""Configuration of the online phase: the comment above a field is its help."""

from __future__ import annotations

from dataclasses import dataclass, field

from robots.errors import UsageError

ENGINES = {
    "process": "worker processes of this machine",
    "ray": "workers of a Ray cluster, on any number of machines",
}


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """How privileged entries are taken away from the critic. Each episode keeps or loses an entry as a whole."""

    # Share of episodes that still have an entry in the end; 1 takes nothing away
    floor: float = 1.0
    # Update of critic and actor, offline ones included, from which the share falls from 1
    start: int = 0
    # Update at which it has reached the floor
    end: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.floor <= 1.0:
            raise UsageError(f"online.sensors: floor must lie in [0, 1], not {self.floor}.")
        if not 0 <= self.start <= self.end:
            raise UsageError(
                f"online.sensors: start and end must rise and not be negative, not {self.start}, {self.end}."
            )

    @property
    def fades(self) -> bool:
        """Whether any entry is ever taken away; only then is the critic told which ones are there."""
        return self.floor < 1.0


@dataclass(frozen=True, slots=True)
class OnlineConfig:
    """Episodes with the actor that is being trained, after the offline phase."""

    # Episodes in all; 0 trains offline only
    episodes: int = 0
    # Episodes of one round, all with the same actor; a kill loses at most the round in progress
    episodes_per_round: int = 20
    # Updates per episode, done after each round
    updates_per_episode: int = 25
    # Share of every batch that comes from the demonstrations; the rest are online decisions
    demonstration_share: float = 0.5
    # Decision frames kept of online episodes; the oldest whole episodes go first
    capacity: int = 20_000
    # First layout seed; each round takes new layouts
    seed: int = 50_000
    # Worker processes, or Ray actors; the episodes do not depend on their number
    workers: int = 2
    # Who runs the episodes: process (this machine) or ray (a cluster; needs the extra `ray`)
    engine: str = "process"
    # Address of a running Ray cluster; empty starts one on this machine, `auto` looks for one
    address: str = ""
    # Explore by sampling pi; without it the most probable action is taken
    sample: bool = True
    # Divides the logits of views before sampling: above 1 explores more, below 1 less
    temperature: float = 1.0
    # Standard deviation of the noise on the executed motion, as a share of the speed limits
    action_noise: float = 0.05
    # Factor of an intervention's weight in the actor's loss; the weight itself counts as 1 at least
    intervention_weight: float = 2.0
    # Decisions of an episode after which the simulation's oracle takes over, for studies; 0 never
    oracle_after: int = 0
    # Which privileged entries the critic loses, and when
    sensors: SensorConfig = field(default_factory=SensorConfig)

    def __post_init__(self) -> None:
        if min(self.episodes, self.seed, self.oracle_after) < 0:
            raise UsageError("online: episodes, seed and oracle_after must not be negative.")
        if min(self.episodes_per_round, self.updates_per_episode, self.capacity, self.workers) < 1:
            raise UsageError(
                "online: episodes_per_round, updates_per_episode, capacity and workers must be at least 1."
            )
        if not 0.0 <= self.demonstration_share < 1.0:
            raise UsageError(f"online: demonstration_share must lie in [0, 1), not {self.demonstration_share}.")
        if self.engine not in ENGINES:
            raise UsageError.unknown("engine", self.engine, ENGINES)
        if self.address and self.engine != "ray":
            raise UsageError(f"online: the address {self.address!r} belongs to engine ray, not {self.engine}.")
        if self.temperature <= 0.0 or self.action_noise < 0.0:
            raise UsageError("online: temperature must be positive and action_noise not negative.")
        if self.temperature != 1.0 and not self.sample:
            raise UsageError(f"online: temperature {self.temperature} has no effect without sample.")
        if self.intervention_weight < 1.0:
            raise UsageError(f"online: intervention_weight must be at least 1, not {self.intervention_weight}.")

    @property
    def rounds(self) -> int:
        """Rounds of episodes; the last one may be smaller."""
        return -(-self.episodes // self.episodes_per_round)

    def episodes_of(self, number: int) -> int:
        """Return how many episodes round `number` has."""
        return min(self.episodes_per_round, self.episodes - number * self.episodes_per_round)

    @property
    def updates(self) -> int:
        """Updates of critic and actor in the online phase."""
        return self.episodes * self.updates_per_episode
