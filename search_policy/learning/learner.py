"""What training asks of a learner, and the learner that a method asks for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from robots.errors import UsageError
from search_policy.learning.config import METHODS

if TYPE_CHECKING:
    import torch
    from torch import nn

    from search_policy.learning.aawr import DecisionBatch
    from search_policy.learning.config import TrainConfig
    from search_policy.learning.networks import Actor, ActorSpec

LEARNERS = {
    "aawr": ("search_policy.learning.aawr", "Learner"),
    "awr": ("search_policy.learning.aawr", "Learner"),
    "bc": ("search_policy.learning.aawr", "Learner"),
    "open": ("search_policy.learning.open_choices", "OpenChoiceLearner"),
    "distillation": ("search_policy.learning.distillation", "DistillationLearner"),
    "vib": ("search_policy.learning.vib", "VibLearner"),
}


class Resumable(Protocol):
    """All that decides what comes next in a run, to be saved and restored."""

    def networks(self) -> dict[str, nn.Module]:
        """Return the modules whose weights make up a checkpoint; the actor is `actor`."""
        ...

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers whose moments make up a checkpoint, by names that no module has."""
        ...

    def values(self) -> dict[str, Any]:
        """Return what else decides the next update, as plain JSON values; floats in hexadecimal."""
        ...

    def restore(self, values: dict[str, Any]) -> None:
        """Take over what `values` returned."""
        ...


class Learner(Resumable, Protocol):
    """Trains an actor from batches of decisions."""

    @property
    def actor(self) -> Actor:
        """The actor that is exported; its encoder is pretrained before."""
        ...

    def update(self, batch: DecisionBatch) -> dict[str, float]:
        """Take one gradient step and return the metrics."""
        ...


def build_learner(config: TrainConfig, spec: ActorSpec) -> Learner:
    """Return a learner with fresh weights.

    Args:
        config: Method and hyper-parameters.
        spec: Sizes of the networks.

    Raises:
        UsageError: The method is unknown.
    """
    if config.method not in LEARNERS:
        raise UsageError.unknown("method", config.method, METHODS)
    module, name = LEARNERS[config.method if config.choices == "taken" else "open"]
    learner: Learner = getattr(import_module(module), name)(config, spec)
    return learner
