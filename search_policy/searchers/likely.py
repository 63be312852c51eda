"""Next best view by a learned belief: the planner's rule with what was read from the images, without reinforcement."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from search_policy.observations import AgentState
from search_policy.semantics.features import LIKELY, TIME, TIME_S
from search_policy.semantics.insight import Insight
from search_policy.semantics.storage import FOLDER

REST_S = 10.0  # time that finding the target is expected to take after this look failed


class LikelyChooser:
    """Satisfies `Chooser` and `Insightful`: least expected time to detection, one view ahead.

    A view costs `time + (1 - likely) rest`, as in `searchers.planner` with a horizon of one.

    Args:
        insight: Reads the images and believes.
    """

    def __init__(self, insight: Insight) -> None:
        self.insight: Insight | None = insight

    @classmethod
    def load(cls, folder: Path) -> LikelyChooser:
        """Load the insight of a trained policy's folder, or an insight's own folder.

        Raises:
            CheckpointError: A file is missing or damaged.
        """
        return cls(Insight.load(folder / FOLDER if (folder / FOLDER).is_dir() else folder))

    def reset(self, rng: np.random.Generator) -> None:
        """Begin an episode; choices are deterministic."""

    def choose(self, state: AgentState) -> int:
        """Return the open view with the least expected time."""
        likely, time_s = state.views[:, LIKELY], TIME_S * state.views[:, TIME]
        return int(np.argmin(np.where(state.mask, time_s + (1.0 - likely) * REST_S, np.inf)))
