"""Trials of an evaluation: starts, with what is told to the policy, drawn once and run by every policy alike."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from robots.sim.episode import EpisodeSpec, Variant
from robots.sim.grasping.episode import GraspPolicy, Report, run_attempt
from robots.sim.grasping.expert import GraspExpert
from robots.sim.grasping.instructions import held_out
from robots.sim.grasping.starts import Start, draw_start
from robots.sim.grasping.world import GraspWorld, Sight, is_graspable
from robots.sim.layout import sample_episode
from robots.sim.tasks import find_task, targets_of

SWAP_PX = 30  # of a segmentation of 96 x 96 pixels: another object is plainly in view


class Condition(StrEnum):
    """What a trial tests."""

    VIEW = "view"  # the named object, seen as the bin says
    SWAP = "swap"  # the same start, but another visible and reachable object is named
    PARAPHRASE = "paraphrase"  # the same start, named in words that no demonstration holds
    ABSENT = "absent"  # the named object is not in the layout


@dataclass(frozen=True, slots=True)
class Trial:
    """One start, and what is to be grasped from there.

    Attributes:
        seed: Of the layout.
        bin: Of the start.
        condition: What is tested.
        target: Class that the layout was drawn for.
        named: Class that the instruction names.
        instruction: What the policy is told.
        graspable: Whether the closed-loop expert finds a grasp of the named object from here.
        distance_m: From the camera to the layout's target.
        center: Its place in the image, from -1 to 1.
        hidden: Share of it that is hidden.
        others: Number of other graspable objects in view.
    """

    seed: int
    bin: str
    condition: Condition
    target: str
    named: str
    instruction: str
    graspable: bool
    distance_m: float
    center: tuple[float, float]
    hidden: float
    others: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Trial:
        """Rebuild a trial from `to_dict`'s values."""
        return cls(**{**values, "condition": Condition(values["condition"]), "center": tuple(values["center"])})


@dataclass(frozen=True, slots=True)
class TrialConfig:
    """What trials are drawn from.

    Attributes:
        task: Whose layouts.
        targets: Classes that are named; empty for every graspable one.
        randomization: What varies besides the layout.
    """

    task: str = "bookshelf_pineapple"
    targets: tuple[str, ...] = ()
    randomization: str = "train"

    def layout(self, seed: int, variant: Variant = Variant.STANDARD) -> EpisodeSpec:
        """Return the layout of a seed, for a target that the seed draws."""
        targets = self.targets or targets_of(self.task)
        rng = np.random.default_rng([seed, zlib.crc32(b"trial")])
        target = targets[int(rng.integers(len(targets)))]
        return sample_episode(self.task, seed, target=target, variant=variant, randomization=self.randomization)


def draw_trials(world: GraspWorld, config: TrialConfig, name: str, seed: int, *, also: bool) -> list[Trial]:
    """Return the trials of one start: the view, and with `also` the swap and the paraphrase; none without a start.

    Args:
        world: Where it is set up.
        config: What is drawn from.
        name: The bin, or `absent`.
        seed: Of the layout.
        also: Whether to add trials with other instructions at the same start.

    Raises:
        UsageError: There is no such bin.
    """
    absent = name == Condition.ABSENT
    spec = config.layout(seed, Variant.ABSENT if absent else Variant.STANDARD)
    start = draw_start(world, spec, "random_centred" if absent else name)
    if start is None:
        return []
    task = spec.task
    graspable = not absent and GraspExpert(world).begin()
    condition = Condition.ABSENT if absent else Condition.VIEW
    trial = _trial(start, name, condition, task.target, task.instruction, graspable=graspable)
    if not also or not graspable:
        return [trial]
    paraphrase = replace(trial, condition=Condition.PARAPHRASE, instruction=held_out(task, seed))
    return [trial, paraphrase, *_swaps(world, start, name)]


def set_up(world: GraspWorld, config: TrialConfig, trial: Trial) -> None:
    """Put the world into a trial's start; what it names is the target that the judge looks at."""
    absent = trial.condition is Condition.ABSENT
    spec = config.layout(trial.seed, Variant.ABSENT if absent else Variant.STANDARD)
    start = draw_start(world, spec, "random_centred" if absent else trial.bin)
    assert start is not None, "a trial has a start"
    world.reset(_naming(start.spec, trial.named))


def run_trial(world: GraspWorld, config: TrialConfig, trial: Trial, policy: GraspPolicy) -> Report:
    """Set a trial up and let a policy attempt it."""
    set_up(world, config, trial)
    return run_attempt(world, policy, trial.instruction)


def _trial(start: Start, name: str, condition: Condition, named: str, instruction: str, *, graspable: bool) -> Trial:
    return Trial(
        seed=start.spec.seed,
        bin=name,
        condition=condition,
        target=start.spec.task.target,
        named=named,
        instruction=instruction,
        graspable=graspable,
        distance_m=round(start.distance_m, 4),
        center=start.center,
        hidden=round(start.hidden, 4),
        others=len(start.others),
    )


def _swaps(world: GraspWorld, start: Start, name: str) -> list[Trial]:
    """Return a trial that names another object that is in view and can be reached, if there is one."""
    world.reset(start.spec)
    sights, kinds = world.sights(), [item.kind for item in start.spec.objects]
    others = [
        item
        for item in start.spec.objects
        if item.kind != start.spec.task.target
        and is_graspable(item)
        and kinds.count(item.kind) == 1
        and sights.get(item.name, Sight(0)).pixels >= SWAP_PX
    ]
    rng = np.random.default_rng([start.spec.seed, zlib.crc32(b"swap")])
    for index in rng.permutation(len(others)):
        spec = _naming(start.spec, others[int(index)].kind)
        world.reset(spec)
        if GraspExpert(world).begin():
            task = spec.task
            return [_trial(start, name, Condition.SWAP, task.target, task.instruction, graspable=True)]
    return []


def _naming(spec: EpisodeSpec, kind: str) -> EpisodeSpec:
    return spec if kind == spec.task.target else replace(spec, task=find_task(spec.task.name, kind))
