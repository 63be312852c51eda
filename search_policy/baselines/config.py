"""Configuration of the baselines: the comment above a field is its help."""

from __future__ import annotations

from dataclasses import dataclass, field

from robots.errors import UsageError
from search_policy.learning.config import ACTION_SPACES, TRAIN_SEEDS, TWIST, VIEWPOINT, NetworkConfig
from search_policy.learning.heads.config import CATEGORICAL, SQUASHED
from search_policy.learning.reward import RewardConfig
from search_policy.observations import PRIVILEGED_KEYS, ObsGroups
from search_policy.pixels.config import PixelConfig
from search_policy.skill import SearchConfig
from search_policy.twist.config import TwistConfig

PPO, SAC = "ppo", "sac"
BASELINES = {
    PPO: "proximal policy optimisation from scratch, privileged value",
    SAC: "soft actor-critic from scratch, privileged critics",
}


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """The simulation that the episodes run in."""

    # Tasks in turn
    tasks: tuple[str, ...] = ("bookshelf_pineapple",)
    # Layout seed of the first episode; every further episode takes the next one
    seed: int = 0
    # Width and height of the wrist image in the simulation; the actor sees it downsampled to 84
    wrist_px: int = 168
    # What varies besides the layout: none, train, shifted, extreme, or a YAML file
    randomization: str = "train"
    # Share of detections that the segmentation detector misses, and of frames with a false one
    miss_rate: float = 0.05
    false_rate: float = 0.05
    # Control steps after which an episode is cut off
    max_steps: int = 400

    def __post_init__(self) -> None:
        if not self.tasks or min(self.wrist_px, self.max_steps) < 1:
            raise UsageError("world: name at least one task; wrist_px and max_steps must be at least 1.")
        if self.seed not in TRAIN_SEEDS:
            raise UsageError(f"world: seed {self.seed} is no training layout; they are 0 to {TRAIN_SEEDS[-1]}.")


@dataclass(frozen=True, slots=True)
class BaselineConfig:
    """What PPO and SAC share."""

    # What to train: ppo or sac
    method: str = PPO
    # What a decision is: viewpoint (choose a candidate view) or twist (steer by chunks)
    action_space: str = VIEWPOINT
    # Folder of the run: curves, checkpoints, exported actor
    out: str = "runs/search/baseline"
    # Seed of initialisation and of everything that happens by chance
    seed: int = 0
    # Decisions lived in all, those of the random policy included
    decisions: int = 20_000
    # Decisions of a random policy at first; the image encoder learns from their frames
    warmup_decisions: int = 1000
    # Updates of the image encoder on auto-labelled frames after that; it is frozen then
    pretrain_updates: int = 400
    # Frames per encoder update
    pretrain_batch: int = 128
    # Learning rate of every optimiser (Adam)
    learning_rate: float = 3e-4
    # Discount per control step
    discount: float = 0.995
    # Iterations between two checkpoints
    checkpoint_every: int = 1
    # Checkpoints kept
    keep: int = 2
    # Privileged entries that the critic sees beside the agent state; none makes it symmetric
    critic: tuple[str, ...] = PRIVILEGED_KEYS
    # Widths of the networks; dropout is ignored, since it would blur the ratio of two policies
    network: NetworkConfig = field(default_factory=NetworkConfig)
    # Augmentation while the image encoder learns
    pixels: PixelConfig = field(default_factory=PixelConfig)
    # Weights of the reward
    reward: RewardConfig = field(default_factory=RewardConfig)
    # How the skill that is trained looks around
    search: SearchConfig = field(default_factory=SearchConfig)
    # Chunks, for the action space twist
    twist: TwistConfig = field(default_factory=TwistConfig)
    # The simulation
    world: WorldConfig = field(default_factory=WorldConfig)

    def __post_init__(self) -> None:
        if self.method not in BASELINES:
            raise UsageError.unknown("baseline", self.method, BASELINES)
        if self.action_space not in ACTION_SPACES:
            raise UsageError.unknown("action space", self.action_space, ACTION_SPACES)
        counts = (self.decisions, self.pretrain_batch, self.checkpoint_every, self.keep)
        if min(counts) < 1 or min(self.warmup_decisions, self.pretrain_updates) < 0:
            raise UsageError(
                f"{self.method}: decisions, batches and intervals must be at least 1, the rest not negative."
            )
        if not 0.0 < self.discount <= 1.0 or self.learning_rate <= 0.0:
            raise UsageError(f"{self.method}: discount must lie in (0, 1], and learning_rate be positive.")

    @property
    def groups(self) -> ObsGroups:
        """What each network sees."""
        return ObsGroups(critic=self.critic)

    @property
    def head(self) -> str:
        """The actor's head."""
        return SQUASHED if self.action_space == TWIST else CATEGORICAL


@dataclass(frozen=True, slots=True)
class PpoConfig(BaselineConfig):
    """One run of PPO."""

    # Decisions per iteration, rounded up to whole episodes
    batch_decisions: int = 256
    # Passes over them
    epochs: int = 8
    # Decisions per gradient step
    minibatch: int = 64
    # Half the width of the trusted range of the ratio
    clip: float = 0.2
    # lambda of the generalised advantage, per decision
    trace: float = 0.95
    # Weight of the policy's entropy
    entropy: float = 0.01

    def __post_init__(self) -> None:
        BaselineConfig.__post_init__(self)
        if min(self.batch_decisions, self.epochs, self.minibatch) < 1:
            raise UsageError("ppo: batch_decisions, epochs and minibatch must be at least 1.")
        if self.clip <= 0.0 or not 0.0 <= self.trace <= 1.0 or self.entropy < 0.0:
            raise UsageError("ppo: clip must be positive, trace lie in [0, 1], and entropy not be negative.")


@dataclass(frozen=True, slots=True)
class SacConfig(BaselineConfig):
    """One run of SAC."""

    method: str = SAC
    # Decisions kept for replay
    capacity: int = 20_000
    # Decisions per update
    batch_size: int = 128
    # Updates per decision
    updates_per_decision: int = 2
    # Target entropy as a share of that of a uniform choice among the open views
    entropy_share: float = 0.3
    # Target entropy of a chunk per number in it (nats), for the action space twist
    entropy_per_number: float = -1.0
    # Temperature at first: a third of what a wasted view costs under the default reward
    temperature: float = 0.02
    # Step of the target networks towards the trained ones
    target_update_rate: float = 0.01

    def __post_init__(self) -> None:
        BaselineConfig.__post_init__(self)
        if min(self.capacity, self.batch_size, self.updates_per_decision) < 1:
            raise UsageError("sac: capacity, batch_size and updates_per_decision must be at least 1.")
        if not 0.0 <= self.entropy_share <= 1.0 or self.temperature <= 0.0 or not 0.0 < self.target_update_rate <= 1.0:
            raise UsageError(
                "sac: entropy_share must lie in [0, 1], temperature be positive, target_update_rate lie in (0, 1]."
            )


CONFIGS: dict[str, type[PpoConfig | SacConfig]] = {PPO: PpoConfig, SAC: SacConfig}
