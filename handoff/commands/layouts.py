"""Which layouts an evaluation draws, and whether what it compares can work in them."""

from __future__ import annotations

from handoff.config import LEARNED_SEARCH, EvalConfig
from handoff.detectors.color_shape import WEIGHTS
from robots.errors import UsageError
from robots.sim.episode import EpisodeSpec
from robots.sim.layout import sample_episode
from robots.sim.tasks import searched_scene


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


def check_layout(config: EvalConfig, spec: EpisodeSpec) -> None:
    """Refuse what the shipped searchers and detectors cannot do, before anything starts.

    Raises:
        UsageError: The scene has no shelves to search, the detector does not know the target, or the learned search
            knows other furniture.
    """
    searched_scene(spec.task.name)
    known = [path.stem for path in WEIGHTS.glob("*.safetensors")]
    if spec.task.target not in known:
        raise UsageError.unknown("detector target", spec.task.target, known)
    if LEARNED_SEARCH in config.methods:
        _ = config.policy_folder  # refuses a task that no shipped policy knows
