"""Our reconstruction of what one update of the published AAWR code computes, to measure ours against.

This is NOT the authors' code, which is no dependency of ours. It re-creates the *shape of the work* that a reading of
the public repository (github penn-pal-lab/aawr, its asymmetric agent at the README's settings) shows, and nothing else:
random data, no environment, no logging. What it keeps of the original:

- images and their successors stored apart, uint8, channels first; prioritised sampling (exponent 0.6) with priorities
  that never change; images *and* successors shifted at random by bilinear grid sampling in float32;
- one encoder of four convolutions, 7x7/2, 5x5/2, 3x3/2, 3x3/2, 32 channels, default memory order, forward and backward
  once per update, for the actor alone: critics and values see a state of 13 numbers, through encoders of their own;
- an actor of two layers of 512, five critics of two layers of 512, one value of the same size;
- one Adam step over everything, gradient norm clipped, copies of encoders and critics moved at every second update.

Where a reading leaves room, this does *less*, so that a ratio against it is not flattered.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

STATE, ACTION, LATENT, WIDTH, CRITICS, BATCH = 13, 4, 50, 512, 5, 256
PRIORITY_EXPONENT, SHIFT_PX, EXPECTILE, SCALING, DISCOUNT, RATE = 0.6, 4, 0.9, 3.0, 0.9, 0.01


def image_encoder() -> nn.Sequential:
    """Return the four convolutions and their projection, (b, 3, 84, 84) in [0, 1] to (b, latent)."""
    layers: list[nn.Module] = []
    for channels, kernel in ((3, 7), (32, 5), (32, 3), (32, 3)):
        layers += [nn.Conv2d(channels, 32, kernel, stride=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(288, LATENT), nn.LayerNorm(LATENT), nn.Sigmoid())


def state_encoder() -> nn.Sequential:
    """Return the encoder of the privileged state, (b, 13) to (b, latent)."""
    return nn.Sequential(nn.Linear(STATE, 256), nn.ELU(), nn.Linear(256, LATENT), nn.LayerNorm(LATENT), nn.Sigmoid())


def head(inputs: int, outputs: int) -> nn.Sequential:
    """Return two hidden layers of 512."""
    return nn.Sequential(
        nn.Linear(inputs, WIDTH), nn.LayerNorm(WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.ELU(),
        nn.Linear(WIDTH, outputs),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A batch: float images (b, 3, 84, 84) in [0, 255], states (b, 13), actions (b, 4), (b, 1) for the rest."""

    image: Tensor
    next_image: Tensor
    state: Tensor
    next_state: Tensor
    action: Tensor
    reward: Tensor
    done: Tensor


class Buffer:
    """Transitions whose successors are stored beside them.

    Args:
        capacity: Number of transitions; all are filled with noise.
        batch: Transitions per sample.
    """

    def __init__(self, capacity: int, batch: int = BATCH) -> None:
        self._batch = batch
        generator = torch.Generator().manual_seed(0)
        shape = (capacity, 3, 84, 84)
        self.image = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        self.next_image = self.image.clone()
        self.state = torch.randn(capacity, STATE, generator=generator)
        self.next_state = self.state.clone()
        self.action = torch.rand(capacity, ACTION, generator=generator) * 2.0 - 1.0
        self.reward, self.done = torch.randn(capacity, 1, generator=generator), torch.zeros(capacity, 1)
        self.priority = torch.ones(capacity)

    def sample(self) -> Sample:
        """Draw a batch by priority."""
        probability = self.priority**PRIORITY_EXPONENT
        probability /= probability.sum()
        rows = torch.from_numpy(np.random.choice(len(probability), self._batch, p=probability.numpy(), replace=False))  # noqa: NPY002
        return Sample(
            shifted(self.image[rows].float()),
            shifted(self.next_image[rows].float()),
            self.state[rows],
            self.next_state[rows],
            self.action[rows],
            self.reward[rows],
            self.done[rows],
        )

    def nbytes(self) -> int:
        """Return the bytes that the transitions take."""
        return sum(value.numel() * value.element_size() for value in vars(self).values() if isinstance(value, Tensor))


def shifted(image: Tensor) -> Tensor:
    """Shift every image by up to four pixels through bilinear sampling of a grid, as DrQ-v2 (arXiv 2107.09645) does."""
    count, _, side, _ = image.shape
    padded_side = side + 2 * SHIFT_PX
    padded = functional.pad(image, (SHIFT_PX,) * 4, "replicate")
    edge = 1.0 - 1.0 / padded_side
    line = torch.linspace(-edge, edge, padded_side)[:side]
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    grid = torch.stack([columns, rows], dim=2).expand(count, -1, -1, -1)
    offset = torch.randint(0, 2 * SHIFT_PX + 1, (count, 1, 1, 2)) * (2.0 / padded_side)
    return functional.grid_sample(padded, grid + offset, padding_mode="zeros", align_corners=False)


class Networks(nn.Module):
    """Encoders, actor, five critics and the value."""

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder, self.q_encoder, self.v_encoder = image_encoder(), state_encoder(), state_encoder()
        self.actor = nn.Sequential(
            nn.Linear(LATENT, WIDTH), nn.LayerNorm(WIDTH), nn.Mish(),
            nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.Mish(),
            nn.Linear(WIDTH, ACTION),
        )  # fmt: skip
        self.critics = nn.ModuleList([head(LATENT + ACTION, 1) for _ in range(CRITICS)])
        self.value = head(LATENT, 1)


class Reconstruction:
    """The update.

    Args:
        capacity: Transitions in the buffer.
        batch: Transitions per update.
    """

    def __init__(self, capacity: int, batch: int = BATCH) -> None:
        torch.manual_seed(0)
        self.buffer = Buffer(capacity, batch)
        self.networks = Networks()
        self.target = copy.deepcopy(self.networks)
        self.optimizer = torch.optim.Adam(self.networks.parameters(), lr=1e-4)
        self.step = 0

    def update(self) -> None:
        """Sample and take one gradient step on everything."""
        batch, networks = self.buffer.sample(), self.networks
        q_latent, v_latent = networks.q_encoder(batch.state), networks.v_encoder(batch.state)
        goal, q_target = self._targets(batch, q_latent)
        pairs = torch.cat([q_latent, batch.action], dim=1)
        q_values = torch.stack([critic(pairs) for critic in networks.critics])
        difference = q_target - networks.value(v_latent)
        expectile = torch.where(difference > 0.0, EXPECTILE, 1.0 - EXPECTILE)
        mean = torch.tanh(networks.actor(networks.image_encoder(batch.image / 255.0)))
        log_probability = -0.5 * (mean - batch.action).square().sum(dim=1, keepdim=True)
        weight = torch.exp(SCALING * difference.detach()).clamp_max(100.0)
        loss = (q_values - goal).square().mean() + (expectile * difference.square()).mean()
        self._descend(loss - (weight * log_probability).mean())

    @torch.no_grad()
    def _targets(self, batch: Sample, q_latent: Tensor) -> tuple[Tensor, Tensor]:
        """Return the critics' goal and the smaller of two target critics drawn at random, (b, 1) each."""
        next_value = self.networks.value(self.target.v_encoder(batch.next_state))
        pairs = torch.cat([q_latent, batch.action], dim=1)
        drawn = np.random.choice(CRITICS, 2, replace=False)  # noqa: NPY002
        q_target = torch.min(*(self.target.critics[int(index)](pairs) for index in drawn))
        return batch.reward + DISCOUNT * (1.0 - batch.done) * next_value, q_target

    def _descend(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.networks.parameters(), 10.0)
        self.optimizer.step()
        self.step += 1
        if self.step % 2 == 0:
            with torch.no_grad():
                for name in ("image_encoder", "q_encoder", "v_encoder", "critics"):
                    pairs = zip(
                        getattr(self.target, name).parameters(), getattr(self.networks, name).parameters(), strict=True
                    )
                    for old, new in pairs:
                        old.lerp_(new, RATE)
