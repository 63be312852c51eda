"""A toy that only an instruction can solve: coloured squares on grey, one of them named, the action points to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.factory import get_policy_class, make_pre_post_processors

from vla_bridge.policies import FilmConfig, Pi0MiniConfig

WRIST, THIRD = "observation.images.wrist", "observation.images.third_person"
STATE, ACTION, TARGET = "observation.state", "action", "privileged.target_px"
COLORS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 80, 220), "yellow": (230, 210, 50)}
SIZE_PX, HALF_PX, STEPS = 48, 4, 8
CONFIGS = {"film": FilmConfig, "pi0_mini": Pi0MiniConfig}


@dataclass
class Toy:
    """A policy with its processors."""

    config: object
    policy: object
    before: object
    after: object

    def save(self, folder):
        for part in (self.policy, self.before, self.after):
            part.save_pretrained(folder)
        return folder


def build(kind, *, cameras=((WRIST, 48, 48),), states=2, actions=2, seed=0, **options):
    """A new policy on small images; statistics fit `squares`."""
    config = CONFIGS[kind](
        input_features={
            **{name: PolicyFeature(FeatureType.VISUAL, (3, height, width)) for name, height, width in cameras},
            STATE: PolicyFeature(FeatureType.STATE, (states,)),
        },
        output_features={ACTION: PolicyFeature(FeatureType.ACTION, (actions,))},
        device="cpu",
        **options,
    )
    torch.manual_seed(seed)
    policy = get_policy_class(kind)(config)
    stats = {
        STATE: {"mean": torch.zeros(states), "std": torch.ones(states)},
        ACTION: {"mean": torch.zeros(actions), "std": torch.full((actions,), 0.35)},
    }
    return Toy(config, policy, *make_pre_post_processors(config, dataset_stats=stats))


def observation(cameras=((WRIST, 48, 48),), states=2, seed=0, task="Pick up the red block."):
    """One random observation, as a robot gives it."""
    generator = torch.Generator().manual_seed(seed)
    images = {name: torch.rand(3, height, width, generator=generator) for name, height, width in cameras}
    return {**images, STATE: torch.randn(states, generator=generator), "task": task}


@dataclass
class Squares:
    """Images (n, 3, h, w), and of each square its place (n, 3, 2) and its colour's name."""

    images: torch.Tensor
    places: torch.Tensor
    names: list

    def batch(self, named):
        """Demonstrations of reaching for the square `named`, 0 to 2."""
        place = self.places[:, named]
        steps = torch.linspace(1.0 / STEPS, 1.0, STEPS)[None, :, None]
        return {
            WRIST: self.images,
            STATE: torch.zeros(len(place), 2),
            ACTION: place[:, None] * steps,
            TARGET: torch.cat((place, torch.ones(len(place), 1)), dim=1),
            "task": [f"Pick up the {names[named]} block." for names in self.names],
        }


def squares(rng, count):
    """Draw three squares of different colours per image; they never overlap."""
    images = rng.integers(118, 138, (count, SIZE_PX, SIZE_PX, 3)).astype(np.uint8)
    places, names = np.empty((count, 3, 2), np.float32), []
    for image, place in zip(images, places, strict=True):
        centers, colors = [], [list(COLORS)[index] for index in rng.permutation(len(COLORS))[:3]]
        while len(centers) < 3:
            center = rng.integers(HALF_PX, SIZE_PX - HALF_PX, 2)
            if all(np.abs(center - other).max() > 2 * HALF_PX + 2 for other in centers):
                centers.append(center)
        for (x, y), color in zip(centers, colors, strict=True):
            image[y - HALF_PX : y + HALF_PX + 1, x - HALF_PX : x + HALF_PX + 1] = COLORS[color]
        place[:] = (2.0 * np.array(centers) + 1.0) / SIZE_PX - 1.0
        names.append(colors)
    return Squares(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255.0, torch.from_numpy(places), names)


def learn(toy, steps, *, batch_size=32, rate=3e-3, seed=0, after_step=lambda step: None):
    """Train on fresh squares every step; the first one is always named, so language alone tells which to reach for."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(toy.policy.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        toy.policy.train()
        loss, _ = toy.policy(toy.before(squares(rng, batch_size).batch(0)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(toy.policy.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        after_step(step + 1)


def hits(toy, named, *, count=64, seed=1):
    """Share of unseen images in which the chunk ends on the square `named`, 0 to 2 (an image is 2 wide)."""
    batch = squares(np.random.default_rng(seed), count).batch(named)
    wanted = batch.pop(ACTION)[:, -1]
    batch.pop(TARGET)
    reached = toy.after(toy.policy.predict_action_chunk(toy.before(batch)))[:, -1]
    return ((reached - wanted).norm(dim=1) < 0.2).float().mean().item()
