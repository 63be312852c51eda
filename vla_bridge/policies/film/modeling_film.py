"""The FiLM policy: what each camera's keypoints show of the named object, the state and the instruction, to a chunk.

The recipe is that of BC-Z (arXiv 2202.02005): FiLM-conditioned convolutions and regression, here with the spatial
softmax of Levine et al. (arXiv 1504.00702) and one keypoint that learns where the named object is.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any, Self

import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.utils.constants import ACTION, OBS_LANGUAGE_ATTENTION_MASK, OBS_LANGUAGE_TOKENS, OBS_STATE
from torch import Tensor, nn
from torch.nn import functional

from vla_bridge.policies.film.configuration_film import FilmConfig
from vla_bridge.policies.images import check_cameras, varied
from vla_bridge.policies.options import TARGET
from vla_bridge.policies.vision import Eye, InstructionEncoder, Keypoints, target_loss


class FilmPolicy(PreTrainedPolicy):
    """One forward pass, one chunk; nothing is sampled. See `FilmConfig` for the sizes."""

    config_class = FilmConfig
    name = "film"

    def __init__(self, config: FilmConfig, **_: Any) -> None:  # noqa: ANN401
        super().__init__(config)
        config.validate_features()
        self.config: FilmConfig = config
        words, cameras = config.instruction_width, config.image_features
        self.embed = nn.Embedding(config.vocab_size, words)
        self.read = InstructionEncoder(words, words)
        self.eyes = nn.ModuleList(Eye(config.width, words, coarse=key != config.target_camera) for key in cameras)
        seen = 3 * config.width * len(cameras) + words + config.input_features[OBS_STATE].shape[0]
        self.actions = config.output_features[ACTION].shape[0]
        self.act = nn.Sequential(
            nn.Linear(seen, config.hidden_width),
            nn.ReLU(),
            nn.Linear(config.hidden_width, config.hidden_width),
            nn.ReLU(),
            nn.Linear(config.hidden_width, config.chunk_size * self.actions),
        )
        self.reset()

    @classmethod
    def from_pretrained(cls, pretrained_name_or_path: str | Path, *, strict: bool = True, **kwargs: Any) -> Self:  # noqa: ANN401
        """Load a saved policy. LeRobot's default would let tensors be missing."""
        policy: Self = super().from_pretrained(pretrained_name_or_path, strict=strict, **kwargs)
        return policy

    def get_optim_params(self) -> Any:  # noqa: ANN401
        """Return what is trained: everything."""
        return self.parameters()

    def reset(self) -> None:
        """Forget the actions that `select_action` has not given out."""
        self._queue: deque[Tensor] = deque()

    def forward(self, batch: dict[str, Any], reduction: str = "mean") -> tuple[Tensor, dict[str, Any]]:
        """Return the loss of a training batch and its parts.

        Args:
            batch: Preprocessed: the inputs, `action` (b, k, a), `action_is_pad` (b, k) where chunks outlast episodes,
                and `privileged.target_px` (b, 3) where it was recorded.
            reduction: `mean` for one loss, `none` for one per sample, (b,), to be weighted.
        """
        batch = varied(self.config, batch) if self.training else batch
        chunk, found = self._chunk(batch)
        errors = functional.l1_loss(chunk, batch[ACTION], reduction="none")
        losses = _over_valid(errors, batch.get("action_is_pad")).mean(dim=1)
        parts = {"l1_loss": losses.mean().item(), "loss_per_dim": errors.detach().mean(dim=(0, 1)).tolist()}
        if TARGET in batch and self.config.target_camera in found:
            target = target_loss(found[self.config.target_camera], batch[TARGET])
            losses = losses + self.config.target_weight * target
            parts["target_loss"] = target.mean().item()
        parts["loss"] = losses.mean().item()
        return (losses if reduction == "none" else losses.mean()), parts

    @torch.no_grad()
    def predict_action_chunk(self, batch: dict[str, Any], **_: Any) -> Tensor:  # noqa: ANN401
        """Return the normalised chunk (b, k, a) of a preprocessed batch."""
        if self.training:  # setting every module again would cost a tenth of the chunk's time
            self.eval()
        return self._chunk(batch)[0]

    @torch.no_grad()
    def select_action(self, batch: dict[str, Any], **_: Any) -> Tensor:  # noqa: ANN401
        """Return the next normalised action (b, a); a new chunk after `n_action_steps` of them."""
        if not self._queue:
            self._queue.extend(self.predict_action_chunk(batch)[:, : self.config.n_action_steps].unbind(dim=1))
        return self._queue.popleft()

    def _chunk(self, batch: dict[str, Any]) -> tuple[Tensor, dict[str, Keypoints]]:
        check_cameras(self.config, batch)
        words = self.read(self.embed(batch[OBS_LANGUAGE_TOKENS]), batch[OBS_LANGUAGE_ATTENTION_MASK])
        found = {key: eye(batch[key], words)[1] for key, eye in zip(self.config.image_features, self.eyes, strict=True)}
        seen = [part for points in found.values() for part in (points.place.flatten(1), points.strength)]
        chunk = self.act(torch.cat((*seen, words, batch[OBS_STATE]), dim=1))
        return chunk.view(-1, self.config.chunk_size, self.actions), found


def _over_valid(errors: Tensor, padded: Tensor | None) -> Tensor:
    """Return the mean (b, a) over the steps of (b, k, a) that are not padding."""
    if padded is None:
        return errors.mean(dim=1)
    keep = (~padded)[:, :, None].to(errors.dtype)
    return (errors * keep).sum(dim=1) / keep.sum(dim=1).clamp(min=1.0)
