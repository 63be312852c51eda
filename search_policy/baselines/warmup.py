"""What comes before reinforcement: a random policy's frames, and the image encoder trained on their free labels.

It is the pretraining that the advantage-weighted methods get, on frames of the same number and kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_policy.baselines.config import BaselineConfig
from search_policy.baselines.environment import Choose, Experience
from search_policy.learning.config import TWIST
from search_policy.learning.pretrain import LabelledFrames, Pretraining
from search_policy.learning.replay import Frames
from search_policy.observations import PRIVILEGED_KEYS
from search_policy.searchers.choosers import RandomChooser
from search_policy.twist.policies import WanderingPolicy


def random_policy(config: BaselineConfig, rng: np.random.Generator) -> Choose:
    """Return the policy that explores at first: random open views, or chunks that wander."""
    if config.action_space == TWIST:
        wandering = WanderingPolicy(config.twist.horizon)
        wandering.reset(rng)
        return wandering.choose
    choosing = RandomChooser()
    choosing.reset(rng)
    return choosing.choose


def pretrain(
    learning: Pretraining, lived: Sequence[Experience], config: BaselineConfig, rng: np.random.Generator
) -> dict[str, float]:
    """Train the encoder on the frames of these decisions and return the last metrics.

    Args:
        learning: The encoder with its head.
        lived: Decisions.
        config: Number of updates, batch size.
        rng: Draws batches and augmentations.
    """
    frames = LabelledFrames(decision_frames(lived), learning.encoder, Path(config.pixels.features))
    metrics: dict[str, float] = {}
    for _ in range(config.pretrain_updates):
        metrics = learning.update(frames.draw(rng, config.pretrain_batch), rng)
    return metrics


def decision_frames(lived: Sequence[Experience]) -> Frames:
    """Return the frames on which these decisions were taken, each an episode of its own."""
    states = [one.state for one in lived]
    entries = {key: np.stack([one.privileged.values[key] for one in lived]) for key in PRIVILEGED_KEYS}
    truth: dict[str, Any] = {key: values.reshape(len(lived), -1).astype(np.float32) for key, values in entries.items()}
    count = len(lived)

    def flags(chosen: Sequence[bool]) -> NDArray[np.bool_]:
        return np.array(chosen, dtype=bool)

    return Frames(
        image=np.stack([state.image for state in states]),
        proprioception=np.stack([state.proprioception for state in states]),
        seen_map=np.stack([state.seen_map for state in states]),
        views=np.stack([state.views for state in states]),
        mask=np.stack([state.mask for state in states]),
        action=np.stack([np.asarray(one.action) for one in lived]),
        steps=np.array([one.duration for one in lived]),
        found=flags([one.found for one in lived]),
        coverage_gain=np.zeros(count, dtype=np.float32),
        collisions=np.zeros(count, dtype=np.int64),
        terminated=flags([one.terminated for one in lived]),
        truncated=flags([one.truncated for one in lived]),
        episode=np.arange(count),
        **truth,
    )
