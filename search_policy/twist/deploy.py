"""A trained twist policy at work: loaded, wrapped in its skill, and run in episodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from search_policy.episodes.rollout import Rollout, RolloutConfig
from search_policy.episodes.world import SearchWorld
from search_policy.servo import FixationConfig, FixationSkill
from search_policy.skill import SearchConfig
from search_policy.twist.config import TwistConfig
from search_policy.twist.learned import TwistPolicy
from search_policy.twist.policies import ChunkPolicy
from search_policy.twist.skill import TwistSkill


@dataclass(frozen=True, slots=True)
class TwistSetup:
    """How a chunk policy runs.

    Attributes:
        search: Views, seen-map and limits of the motion.
        rollout: When episodes end.
        twist: Margins, exhaustion, and whether the policy centres by itself.
    """

    search: SearchConfig
    rollout: RolloutConfig
    twist: TwistConfig


def rollout_of(world: SearchWorld, policy: ChunkPolicy, setup: TwistSetup, *, seed: int) -> Rollout:
    """Return a rollout of a chunk policy; `seed` seeds its randomness. With `centres` the servo only judges."""
    skill = TwistSkill(policy, world.region, world.intrinsics, config=setup.search, twist=setup.twist, seed=seed)
    fixation = FixationSkill(world.region, world.intrinsics, config=FixationConfig(views=setup.search.views))
    return Rollout(world, skill, fixation, replace(setup.rollout, servo=not setup.twist.centres))


def rollout_for(
    world: SearchWorld,
    folder: Path,
    *,
    search: SearchConfig | None = None,
    rollout: RolloutConfig | None = None,
    twist: TwistConfig | None = None,
    seed: int = 0,
    greedy: bool = True,
) -> Rollout:
    """Return a rollout of the trained twist policy in `folder`.

    Args:
        world: Simulation.
        folder: Exported actor.
        search: Views, seen-map and limits of the motion, as in training.
        rollout: When episodes end.
        twist: Margins, exhaustion, and whether the policy centres by itself; the horizon is the policy's own.
        seed: Of the policy's randomness.
        greedy: Take the most likely chunk; otherwise draw it.

    Raises:
        CheckpointError: The actor cannot be loaded, or chooses views.
    """
    setup = TwistSetup(search or SearchConfig(), rollout or RolloutConfig(), twist or TwistConfig())
    return rollout_of(world, TwistPolicy.load(folder, greedy=greedy), setup, seed=seed)
