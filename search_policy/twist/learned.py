"""The learned chunk policy: a trained actor with a head over chunks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robots.errors import CheckpointError
from search_policy.observations import AgentState
from search_policy.twist.config import AXES

if TYPE_CHECKING:
    from search_policy.learning.networks import Actor


class TwistPolicy:
    """Satisfies `policies.ChunkPolicy`.

    Args:
        actor: Chooses chunks.
        greedy: Take the most likely chunk; otherwise draw one.

    Raises:
        CheckpointError: The actor chooses views, or chunks of other entries.
    """

    def __init__(self, actor: Actor, *, greedy: bool = True) -> None:
        import torch

        steps, entries = actor.spec.sizes.chunk
        if not steps or entries != len(AXES):
            chosen = f"chunks of {entries} entries" if steps else "views"
            raise CheckpointError(
                f"twist policy: needs an actor of chunks (h, {len(AXES)}); this one chooses {chosen}."
            )
        self.horizon = steps
        self._actor, self._greedy = actor, greedy
        self._generator = torch.Generator()
        self._recollection = actor.recollection()

    @classmethod
    def load(cls, folder: Path, *, greedy: bool = True) -> TwistPolicy:
        """Load trained weights; torch is imported here and limited to one thread.

        Raises:
            CheckpointError: The folder's weights are missing or damaged, or choose views.
        """
        import torch

        from search_policy.learning.checkpoint import load_actor

        torch.set_num_threads(1)
        policy = cls(load_actor(folder), greedy=greedy)
        policy._actor.warm()
        return policy

    def reset(self, rng: np.random.Generator) -> None:
        """Begin an episode: forget the last one, and draw from `rng`."""
        self._generator.manual_seed(int(rng.integers(2**63)))
        self._recollection = self._actor.recollection()

    def choose(self, state: AgentState) -> NDArray[np.float32]:
        """Return the actor's chunk, (h, 5) in [-1, 1].

        Raises:
            CheckpointError: The actor was trained on agent states of other sizes: on other furniture, or another arm.
        """
        import torch

        sizes = self._actor.spec.sizes
        found, needed = (len(state.proprioception), *state.seen_map.shape), (sizes.proprioception, *sizes.seen_map)
        if found != needed:
            raise CheckpointError(f"twist policy: trained on agent states of sizes {needed}, not {found} as here.")
        with torch.inference_mode():
            batch = self._actor.embed(state, self._recollection)
            chunk = self._actor.act(batch, greedy=self._greedy, generator=self._generator)[0]
        self.remember(state)
        return np.asarray(chunk.numpy(), dtype=np.float32)

    def remember(self, state: AgentState) -> None:
        """Take in a state that was decided on, here or by somebody else, for the decisions to come."""
        self._actor.remember(state, self._recollection)
