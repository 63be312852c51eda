"""The belief: where the target probably is, from what was seen of the furniture and what stands in it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


class Belief(nn.Module):
    """Scores every cell from its surroundings, its compartment, the whole furniture, and the named object.

    Args:
        channels: Channels of the map.
        cells: Compartments and columns.
        names: Objects that can be looked for.
        width: Width of the layers.
    """

    def __init__(self, channels: int, cells: tuple[int, int], names: int, width: int = 48) -> None:
        super().__init__()
        self.near = nn.Conv1d(channels, width, 3, padding=1)
        self.around = nn.Linear(2 * channels, width)
        self.name = nn.Linear(names, 2 * width)
        self.far = nn.Conv1d(width, width, 5, padding=2)
        self.score = nn.Conv1d(width, 1, 1)
        self.place = nn.Parameter(torch.zeros(cells))
        self.drop = nn.Dropout(0.1)

    def forward(self, seen: Tensor, name: Tensor) -> Tensor:
        """Return the logit of every cell, (b, compartments * columns).

        Args:
            seen: The map, (b, channels, compartments, columns).
            name: One-hot of the object, all zero for an unknown one, (b, names).
        """
        rows, channels, compartments, columns = seen.shape
        own, whole = seen.mean(dim=3), seen.mean(dim=3).amax(dim=2, keepdim=True).expand(-1, -1, compartments)
        around = self.around(torch.cat([own, whole], dim=1).transpose(1, 2))  # (b, compartments, width)
        scale, shift = self.name(name).chunk(2, dim=1)
        lines = seen.transpose(1, 2).reshape(rows * compartments, channels, columns)
        near = self.near(lines).reshape(rows, compartments, -1, columns)
        mixed = torch.relu((near + around[..., None]) * (1.0 + scale[:, None, :, None]) + shift[:, None, :, None])
        far = torch.relu(self.far(self.drop(mixed.reshape(rows * compartments, -1, columns))))
        logits: Tensor = self.score(far).reshape(rows, compartments, columns) + self.place
        return logits.flatten(1)

    def cells(self, seen: NDArray[np.float32], name: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of every cell of one map, (compartments, columns)."""
        with torch.inference_mode():
            logits = self(torch.tensor(seen)[None], torch.tensor(name)[None])[0].double()
            return np.asarray(torch.softmax(logits, dim=0).numpy()).reshape(seen.shape[1:])


def belief_loss(logits: Tensor, cell: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the cross-entropy of the target's true cell, and how often it is among the likeliest tenth.

    Args:
        logits: (b, cells).
        cell: int64 (b,).
    """
    loss = functional.cross_entropy(logits, cell)
    top = logits.topk(max(1, logits.shape[1] // 10), dim=1).indices
    return loss, {"belief_loss": loss.item(), "in_top_tenth": float((top == cell[:, None]).any(dim=1).float().mean())}
