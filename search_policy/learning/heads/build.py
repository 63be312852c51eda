"""The head that a specification asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_policy.learning.heads.categorical import CategoricalHead
from search_policy.learning.heads.config import CATEGORICAL, SQUASHED
from search_policy.learning.heads.flow import FlowHead
from search_policy.learning.heads.gaussian import MixtureHead
from search_policy.learning.heads.squashed import SquashedHead

if TYPE_CHECKING:
    from search_policy.learning.heads.head import Head
    from search_policy.learning.networks import ActorSpec


def build_head(spec: ActorSpec, shared: int) -> Head:
    """Return a head with fresh weights.

    Args:
        spec: Kind and sizes.
        shared: Length of the actor's shared features.
    """
    sizes, network, policy = spec.sizes, spec.network, spec.policy
    if spec.head == CATEGORICAL:
        return CategoricalHead(shared, sizes.features, sizes.views, network.actor, network.dropout)
    if spec.head == "flow":
        return FlowHead(shared, sizes.chunk, policy)
    if spec.head == SQUASHED:
        return SquashedHead(shared, sizes.chunk, policy)
    return MixtureHead(shared, sizes.chunk, policy.components if spec.head == "mixture" else 1, policy)
