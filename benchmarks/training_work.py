"""One update of our trainer, in each of the forms that are compared: what the trainer itself runs, on noise.

`published` is a network of the published shape, `ours` the compact one, both with the encoder learning end to end from
the frame store; `cached` is the default recipe, whose frames were embedded once; `shipped` is the recipe of the shipped
policies, which reads views alone and weighs every open one, without its insight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from search_policy.learning.batches import DecisionSource, actor_spec
from search_policy.learning.config import NetworkConfig, TrainConfig
from search_policy.learning.learner import build_learner
from search_policy.learning.precision import autocast
from search_policy.learning.published import CRITIC_WIDTH, CRITICS
from search_policy.learning.replay import Frames, transitions
from search_policy.pixels.config import PixelConfig
from search_policy.pixels.encoders import embed_all
from search_policy.pixels.end_to_end import EndToEndSource

END_TO_END = PixelConfig(training="end_to_end")
SHAPES = {
    "published": TrainConfig(
        network=NetworkConfig(encoder="published", critics=CRITICS, critic=CRITIC_WIDTH), pixels=END_TO_END
    ),
    "ours": TrainConfig(pixels=END_TO_END),
    "cached": TrainConfig(),
    "shipped": TrainConfig(choices="open", network=NetworkConfig(reads=())),
}
PRECISIONS = ("fp32", "bf16")


class Work:
    """An update that can be repeated: sample, augment, embed, learn.

    Args:
        shape: One of `SHAPES`.
        precision: fp32 or bf16.
        frames: The frame store.
        batch: Decisions per update.
        device: Where networks and batches live.
        blind: Embed without looking: what is left of `sample` is sampling and augmentation.
    """

    def __init__(
        self, shape: str, precision: str, frames: Frames, batch: int, device: str = "cpu", *, blind: bool = False
    ) -> None:
        config = SHAPES[shape]
        self.config = replace(config, network=replace(config.network, precision=precision))
        self._rng, self._batch, self._device = np.random.default_rng(0), batch, device
        torch.manual_seed(0)
        self.learner = build_learner(self.config, actor_spec(frames, self.config))
        for module in self.learner.networks().values():
            module.to(device)
        # The frame store stays in main memory; a batch moves when it is embedded.
        self.learner.actor.encoder.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(device),))
        self.source = self._source(frames, _Blind() if blind else self.learner.actor.encoder)

    def sample(self) -> Any:  # noqa: ANN401
        """Return the next batch, embedded."""
        rows = self._rng.integers(len(self.source), size=self._batch)
        with autocast(self.config.network.precision, self._device):
            return self.source.batch(rows)

    def update(self) -> None:
        """Take one gradient step."""
        self.learner.update(moved(self.sample(), self._device))

    def _source(self, frames: Frames, encoder: torch.nn.Module) -> DecisionSource:
        config = self.config
        decisions = transitions(frames, config.reward, config.discount)
        if config.pixels.training == "end_to_end":
            return EndToEndSource(frames, decisions, encoder, config, self._rng)
        return DecisionSource(frames, decisions, embed_all(encoder, frames.image).cpu(), config.groups)


def sampling(shape: str, frames: Frames, batch: int) -> Callable[[], object]:
    """Return what draws a batch of this shape and does all but embed and learn."""
    return Work(shape, "fp32", frames, batch, blind=shape != "cached").sample


class _Blind(torch.nn.Module):
    """An encoder that looks at nothing."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.zeros(len(image), 1)


def moved(value: Any, device: str) -> Any:  # noqa: ANN401
    """Return a batch, a dataclass of tensors and of such dataclasses, on a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: moved(getattr(value, item.name), device) for item in fields(value)})
    return value


def shipped(out: Path, updates: int, pretrain_updates: int) -> TrainConfig:
    """Return the shipped recipe with fewer updates."""
    often = max(1, updates // 2)
    config = replace(SHAPES["shipped"], out=str(out), updates=updates, pretrain_updates=pretrain_updates)
    return replace(config, log_every=often, checkpoint_every=often)
