"""The evaluation's configuration: the one place where methods and option defaults are declared.

Every field is an option of `baton demo` and `baton eval`, and a key of a run folder's `config.yaml`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from handoff.shipped import shipped_policy
from robots.errors import UsageError
from robots.types import ActionSpace

TEST_SEED_BASE = 200_000
GENERALIST_ALONE = "generalist"
LEARNED_SEARCH = "search+handoff"
METHODS: dict[str, str] = {
    LEARNED_SEARCH: "learned search, trigger, handoff",
    "sweep+handoff": "exhaustive sweep over the compartments, trigger, handoff",
    "coverage+handoff": "planned next best views, trigger, handoff",
    "coverage-prior+handoff": "planned next best views with a prior from the layout's cues, trigger, handoff",
    "random+handoff": "random views, trigger, handoff",
    "oracle+handoff": "quickest view that shows the target (privileged), trigger, handoff",
    "rush+handoff": "straight at the target without looking (privileged), trigger, handoff",
    GENERALIST_ALONE: "the generalist alone, without a search",
}
DATASET_IMAGES = ("video", "image")
BACKENDS = {"expert": "simulation expert (privileged)", "lerobot": "lerobot policy"}


@dataclass(frozen=True, slots=True)
class VlaOptions:
    """Which generalist policy the policy server runs."""

    # Backend of the policy server: expert (simulation, privileged) or lerobot
    type: str = "expert"
    # Folder of a lerobot policy: config.json, model.safetensors
    policy_path: str = ""
    # What a lerobot policy's actions mean
    action_space: str = "joint_position"
    # Torch device of a lerobot policy
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.type not in BACKENDS:
            raise UsageError.unknown("policy backend", self.type, BACKENDS)
        if self.action_space not in tuple(ActionSpace):
            raise UsageError.unknown("action space", self.action_space, ActionSpace)
        if self.type == "lerobot" and not self.policy_path:
            raise UsageError("The lerobot backend needs a policy: name its folder with --vla.policy_path.")

    @property
    def label(self) -> str:
        """How results name this generalist."""
        return f"{BACKENDS[self.type]} {self.policy_path}".strip()

    def server_options(self) -> list[str]:
        """The same as options of the policy server."""
        if self.type == "expert":
            return ["--backend.type=expert"]
        policy = [f"--backend.path={self.policy_path}", f"--backend.action_space={self.action_space}"]
        return ["--backend.type=lerobot", *policy, f"--backend.device={self.device}"]


@dataclass(frozen=True, slots=True)
class EvalConfig:
    """Options of `baton eval` and `baton demo`.

    Raises:
        UsageError: A value is out of range, or a method does not exist.
    """

    # Task whose layouts are drawn
    task: str = "bookshelf_pineapple"
    # Layouts; every method runs on each of them
    episodes: int = 10
    # Seed of the first layout; the test layouts start at 200000
    seed_base: int = TEST_SEED_BASE
    # Methods, separated by commas
    methods: tuple[str, ...] = (LEARNED_SEARCH, "sweep+handoff", GENERALIST_ALONE)
    # Folder of a trained search policy; empty for the shipped one
    policy: str = ""
    # Variant of every layout: standard, absent (measures false handoffs) or distractor
    variant: str = "standard"
    # Target instead of the task's usual one: any graspable class, for instance mug
    target: str = ""
    # How strongly cues hint at the target's place: structured, uniform, or a YAML file
    prior: str = "structured"
    # Only layouts whose target is hidden so much: low, medium or high; empty for all
    occlusion: str = ""
    # What varies besides the layout: none, train, shifted, extreme, or a YAML file
    randomization: str = "train"
    # Keep wall-clock time, as on a robot, instead of simulated time
    realtime: bool = False
    # Layouts of which every method's video is kept
    videos: int = 2
    # Record every episode as a LeRobotDataset in the run folder
    dataset: bool = False
    # How the dataset keeps images: video (small, lossy) or image (exact)
    dataset_images: str = "video"
    # Processes that run episodes; 0 for one per core, at most 2
    workers: int = 0
    # Run folder; empty for runs/<time>-<task>
    out: str = ""
    # Continue the run in --out with its own config.yaml
    resume: bool = False
    # The generalist
    vla: VlaOptions = field(default_factory=VlaOptions)

    def __post_init__(self) -> None:
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown:
            raise UsageError.unknown("method", unknown[0], METHODS)
        if not self.methods or len(set(self.methods)) != len(self.methods):
            raise UsageError("methods must name at least one method, each one once.")
        for name, least in {"episodes": 1, "seed_base": 0, "videos": 0, "workers": 0}.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, not {getattr(self, name)}.")
        if self.dataset_images not in DATASET_IMAGES:
            raise UsageError.unknown("kind of dataset images", self.dataset_images, DATASET_IMAGES)
        if self.resume and not self.out:
            raise UsageError("--resume needs the run folder: name it with --out.")

    @property
    def policy_folder(self) -> Path:
        """Where the learned search's weights are.

        Raises:
            UsageError: None is named, and no shipped policy knows the task.
        """
        return Path(self.policy) if self.policy else shipped_policy(self.task, self.target)

    @property
    def seeds(self) -> range:
        """The layouts' seeds."""
        return range(self.seed_base, self.seed_base + self.episodes)

    def to_dict(self) -> dict[str, Any]:
        """The part that makes a run what it is: everything but where it is written."""
        values = asdict(self)
        values["methods"] = list(self.methods)
        return {name: value for name, value in values.items() if name not in ("out", "resume")}
