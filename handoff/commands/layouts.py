"""Which layouts an evaluation draws."""

from __future__ import annotations

from handoff.config import EvalConfig
from robots.sim.episode import EpisodeSpec
from robots.sim.layout import sample_episode


def sample_layout(config: EvalConfig, seed: int) -> EpisodeSpec:
    """Return the layout that an evaluation draws for a seed.

    Raises:
        UsageError: The evaluation names a task, target, variant, prior or randomisation that does not exist.
    """
    return sample_episode(
        config.task,
        seed,
        variant=config.variant,
        target=config.target or None,
        prior=config.prior,
        occlusion=config.occlusion or None,
        randomization=config.randomization,
    )
