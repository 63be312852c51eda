"""Demonstrations: the expert disturbed by bursts of noise, or a policy in its place; labels are the expert's actions.

Where a burst or a policy takes the hand, the recorded action is the one that the expert takes from there (DART,
arXiv 1703.09327; DAgger, arXiv 1011.0686).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from robots.errors import PlanningError, SpecError, UsageError
from robots.grasp_action import REFUSE
from robots.images import resized
from robots.sim.arm import WRIST_CAMERA
from robots.sim.episode import EpisodeSpec, Variant
from robots.sim.grasping.episode import GraspPolicy
from robots.sim.grasping.expert import GraspExpert, action_of, refusal
from robots.sim.grasping.instructions import demonstrated
from robots.sim.grasping.noise import Noise, NoiseConfig
from robots.sim.grasping.policies import EXECUTED, executed
from robots.sim.grasping.starts import BINS, draw_start
from robots.sim.grasping.world import GraspWorld
from robots.sim.layout import sample_episode
from robots.sim.scene import THIRD_PERSON_CAMERA
from robots.sim.tasks import targets_of
from robots.types import Action, ActionSpace, Float, Image, Observation

WRIST, THIRD_PERSON = "wrist", "third_person"
IMAGE_SIZES: Mapping[str, tuple[int, int]] = {WRIST: (96, 96), THIRD_PERSON: (96, 128)}  # (height, width) [px]
UNSEEN_PX = 6  # fewer pixels of the named object cannot be grasped from: the label is to refuse
REFUSED_STEPS = 10
HOLD_STEPS = 4  # recorded after the object is out
LONGEST_STEPS = 130
DRAWS = 6  # bins that are tried for one layout
ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class DemonstrationConfig:
    """What is recorded.

    Attributes:
        task: Whose layouts are drawn.
        bins: Share of each kind of start; `absent` is a layout without the named object.
        distractors: Share of layouts with look-alikes of the named object.
        noise: Disturbances of the expert.
        beta: With a policy: share of the time that the expert drives.
        refused: Share of the blocked starts, where the expert refuses, that are recorded.
        targets: Classes that are named, a class named twice twice as often; empty for every graspable one.
    """

    task: str = "bookshelf_pineapple"
    bins: Mapping[str, float] = field(
        default_factory=lambda: {
            "random_centred": 0.32,
            "off_centre": 0.16,
            "centred": 0.16,
            "edge": 0.08,
            "far": 0.10,
            "close": 0.05,
            "occluded_30": 0.03,
            "occluded_60": 0.02,
            "out_of_view": 0.03,
            ABSENT: 0.05,
        }
    )
    distractors: float = 0.25
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    beta: float = 0.5
    refused: float = 0.4
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, share in self.bins.items():
            if name not in BINS and name != ABSENT:
                raise UsageError.unknown("bin", name, [*BINS, ABSENT])
            if not share >= 0.0:
                raise UsageError(f"The share of bin {name} must not be negative.")
        if not sum(self.bins.values()) > 0.0:
            raise UsageError("At least one bin needs a share above 0.")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One control period as it is recorded.

    Attributes:
        images: uint8 (h, w, 3) by camera, of `IMAGE_SIZES`.
        state: (8,) joints [rad] and gripper.
        action: (8,) the expert's, see `robots.grasp_action`.
        target_px: (3,) where the named object is in the wrist image, and whether it is seen.
    """

    images: Mapping[str, Image]
    state: Float
    action: Float
    target_px: Float


@dataclass(frozen=True, slots=True, eq=False)
class Demonstration:
    """One recorded attempt.

    Attributes:
        instruction: What is to be picked up.
        frames: Its control periods.
        facts: Bin, target, outcome and so on, for the notes beside the dataset.
        kept: Whether it is worth keeping: grasped, refused, or driven by a policy.
    """

    instruction: str
    frames: tuple[Frame, ...]
    facts: Mapping[str, object]
    kept: bool


class Demonstrator:
    """Records one demonstration per layout seed.

    Args:
        world: The world.
        config: What is recorded.
        policy: Drives in the expert's place a share `1 - beta` of the time; None for the expert alone.
    """

    def __init__(self, world: GraspWorld, config: DemonstrationConfig, policy: GraspPolicy | None = None) -> None:
        self._world, self._config, self._policy = world, config, policy
        self._expert = GraspExpert(world)

    def record(self, seed: int) -> Demonstration:
        """Draw layout, named object and start from a seed, and record the attempt; without a start nothing is kept."""
        rng = np.random.default_rng([seed, zlib.crc32(b"demonstration")])
        skipped: list[str] = []
        names, shares = list(self._config.bins), np.array(list(self._config.bins.values()), dtype=float)
        for _ in range(DRAWS):
            name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
            spec = self._layout(seed, rng, absent=name == ABSENT)
            start = draw_start(self._world, spec, "random_centred" if name == ABSENT else name)
            if start is not None:
                facts = {
                    "seed": seed, "bin": name, "target": spec.task.target, "hidden": round(start.hidden, 3),
                    "distance_m": round(start.distance_m, 3), "others": len(start.others), "skipped": skipped,
                }  # fmt: skip
                return self._attempt(spec, facts, rng)
            skipped.append(name)
        return Demonstration("", (), {"seed": seed, "skipped": skipped, "outcome": "no start"}, kept=False)

    def _layout(self, seed: int, rng: np.random.Generator, *, absent: bool) -> EpisodeSpec:
        targets = self._config.targets or targets_of(self._config.task)
        target = targets[int(rng.integers(len(targets)))]
        variant = Variant.DISTRACTOR if rng.random() < self._config.distractors else Variant.STANDARD
        return sample_episode(self._config.task, seed, target=target, variant=Variant.ABSENT if absent else variant)

    def _attempt(self, spec: EpisodeSpec, facts: dict[str, object], rng: np.random.Generator) -> Demonstration:
        instruction = demonstrated(spec.task, rng)
        seen = self._world.target_sight().pixels >= UNSEEN_PX
        blocked = seen and not self._expert.begin()
        if not seen or blocked:
            frames = self._refused(rng)
            outcome = "refused: blocked" if blocked else "refused: not seen"
            kept = not blocked or rng.random() < self._config.refused
        else:
            frames, grasped = self._driven(instruction, rng)
            outcome, kept = "grasped" if grasped else "failed", grasped or self._policy is not None
        facts |= {"outcome": outcome, "frames": len(frames), "contacts": self._world.robot.collision_steps}
        return Demonstration(instruction, tuple(frames), facts, kept)

    def _refused(self, rng: np.random.Generator) -> list[Frame]:
        """Record a start that cannot be grasped from, while the hand drifts a little."""
        frames, noise = [], Noise(self._config.noise, rng)
        for _ in range(REFUSED_STEPS):
            observation = self._world.observe()
            frames.append(self._frame(observation, refusal()))
            self._send(observation, action_of(noise.drift(), 0.0))
        return frames

    def _driven(self, instruction: str, rng: np.random.Generator) -> tuple[list[Frame], bool]:
        frames: list[Frame] = []
        noise, held, given_up = Noise(self._config.noise, rng), 0, 0
        driver = _Turns(self._policy, self._config.beta, rng)
        driver.begin(instruction)
        for _ in range(LONGEST_STEPS):
            observation = self._world.observe()
            label = self._expert.act()
            frames.append(self._frame(observation, label))
            other = driver.act(observation)
            if other is not None:
                self._world.robot.send_action(other)
                self._world.tick()
            else:
                clean = label if label[REFUSE] < 0.5 else action_of(np.zeros(6), 0.0)
                self._send(observation, noise.on(clean, near=self._near()) if self._policy is None else clean)
            held = held + 1 if self._expert.done else 0
            given_up = given_up + 1 if label[REFUSE] > 0.5 else 0
            if held >= HOLD_STEPS or given_up >= HOLD_STEPS or self._lost():
                break
        return frames, self._world.truth.judge().success

    def _lost(self) -> bool:
        """Whether nothing more is to be learnt: another object was taken."""
        return any(name != self._world.spec.target_name for name in self._world.lifted())

    def _near(self) -> bool:
        item = self._world.target
        assert item is not None, "there is something to grasp"
        offset = self._world.gripper_to_world()[:3, 3] - self._world.object_pose(item.name)[:3, 3]
        return bool(np.linalg.norm(offset[:2]) < 0.12)

    def _send(self, observation: Observation, vector: Float) -> None:
        self._world.robot.send_action(executed(vector, observation.gripper_to_world[:3, :3]))
        self._world.tick()

    def _frame(self, observation: Observation, action: Float) -> Frame:
        sight = self._world.target_sight()
        seen = np.array([*sight.center, 1.0] if sight.pixels else [0.0, 0.0, 0.0], dtype=np.float32)
        return Frame(recorded_images(observation), state_of(observation), action.astype(np.float32), seen)


class _Turns:
    """Who drives: for a few control periods the policy, then by chance the expert (None) or the policy again."""

    def __init__(self, policy: GraspPolicy | None, beta: float, rng: np.random.Generator) -> None:
        self._policy, self._beta, self._rng = policy, beta, rng
        self._step, self._expert = 0, True
        self._instruction = ""

    def begin(self, instruction: str) -> None:
        self._instruction = instruction
        if self._policy is not None:
            self._policy.begin(instruction)

    def act(self, observation: Observation) -> Action | None:
        """Return the policy's action, or None while the expert drives."""
        if self._policy is None:
            return None
        if self._step % EXECUTED == 0:
            self._expert = bool(self._rng.random() < self._beta)
            self._policy.begin(self._instruction)
        self._step += 1
        if self._expert:
            return None
        try:
            return self._policy.act(observation)
        except (PlanningError, SpecError):
            return Action(ActionSpace.CARTESIAN_VELOCITY, np.zeros(6), 0.0)


def recorded_images(observation: Observation) -> dict[str, Image]:
    """Return an observation's images at the sizes that are recorded, by camera."""
    cameras = {WRIST: WRIST_CAMERA, THIRD_PERSON: THIRD_PERSON_CAMERA}
    return {name: resized(observation.images[cameras[name]], *size) for name, size in IMAGE_SIZES.items()}


def state_of(observation: Observation) -> Float:
    """Return joint positions [rad] and gripper, (n + 1,) float32, as they cross the wire."""
    return np.append(observation.joint_positions_rad, observation.gripper).astype(np.float32)
