"""A flow over chunks: a teacher learned by conditional flow matching, and a one-step sampler distilled from it.

Flow Q-Learning (Park, Li and Levine, ICML 2025), eqs. 6 and 8, with AAWR's weights on the matching loss in the place of
Q's gradient: the teacher models the *weighted* demonstrations, the sampler copies the teacher.
"""

from __future__ import annotations

import torch
from torch import Tensor

from search_policy.learning.heads.config import HeadConfig
from search_policy.learning.heads.head import Head, HeadInput
from search_policy.learning.layers import dense


class FlowHead(Head):
    """A sampler mu(z, noise) of chunks; it has no density in closed form.

    Args:
        shared: Length of the shared features.
        chunk: Steps and entries of a chunk, (h, 5).
        config: Widths, steps of the teacher, weight of the distillation.
    """

    noise: Tensor

    def __init__(self, shared: int, chunk: tuple[int, int], config: HeadConfig) -> None:
        super().__init__()
        self._chunk, self._config = chunk, config
        size, width = chunk[0] * chunk[1], config.flow_width
        self.velocity = dense(size + 1 + shared, width, width, size)
        self.sampler = dense(size + shared, width, width, size)
        # The greedy action is that of one fixed noise: noise zero would lie between the modes.
        self.register_buffer("noise", torch.randn(size))

    def loss(self, z: HeadInput, action: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return E[w ||v(t, x_t, z) - (a - x_0)||^2] plus the sampler's distance from the teacher.

        x_t = (1 - t) x_0 + t a with x_0 ~ N(0, 1) and t ~ U[0, 1]: FQL (ICML 2025), eq. 6, weighted.
        """
        target = action.flatten(1)
        start, time = torch.randn_like(target), torch.rand(len(target), 1, device=target.device)
        moving = (1.0 - time) * start + time * target
        gap = self._velocity(moving, time, z.shared) - (target - start)
        matching = (weight.detach() * gap.square().mean(dim=1)).mean()
        distance = self._distance(z.shared, torch.randn_like(target))
        metrics = {"matching_loss": matching.item(), "distillation_loss": distance.item()}
        return matching + self._config.distillation * distance, metrics

    def act(self, z: HeadInput, *, greedy: bool, generator: torch.Generator | None = None) -> Tensor:
        """Return chunks by one step of the sampler, (b, h, 5)."""
        shape = (len(z.shared), len(self.noise))
        drawn = None if greedy else torch.randn(shape, generator=generator, device=self.noise.device)
        return (
            self._sample(z.shared, self.noise.expand(shape) if drawn is None else drawn)
            .clamp(-1.0, 1.0)
            .reshape(shape[0], *self._chunk)
        )

    @torch.no_grad()
    def teach(self, shared: Tensor, noise: Tensor) -> Tensor:
        """Return the teacher's actions for this noise by Euler's method, (b, h * 5)."""
        steps = self._config.flow_steps
        moving = noise
        for step in range(steps):
            time = torch.full((len(noise), 1), step / steps, device=noise.device)
            moving = moving + self._velocity(moving, time, shared) / steps
        return moving

    def _distance(self, shared: Tensor, noise: Tensor) -> Tensor:
        """Return E[||mu(z, noise) - teacher(z, noise)||^2]: FQL (ICML 2025), eq. 8; it moves the sampler alone."""
        shared = shared.detach()
        return (self._sample(shared, noise) - self.teach(shared, noise)).square().mean()

    def _velocity(self, moving: Tensor, time: Tensor, shared: Tensor) -> Tensor:
        velocity: Tensor = self.velocity(torch.cat([moving, time, shared], dim=1))
        return velocity.float()

    def _sample(self, shared: Tensor, noise: Tensor) -> Tensor:
        sample: Tensor = self.sampler(torch.cat([noise, shared], dim=1))
        return sample.float()
