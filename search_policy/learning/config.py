"""Configuration of training: the comment above a field is its help."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from robots.errors import UsageError
from search_policy.learning.heads.config import CATEGORICAL, HEADS, HeadConfig
from search_policy.learning.recall.config import MemoryConfig
from search_policy.learning.reward import RewardConfig
from search_policy.observations import PRIVILEGED_KEYS, ObsGroups
from search_policy.online.config import OnlineConfig
from search_policy.pixels.config import PixelConfig
from search_policy.skill import SearchConfig
from search_policy.twist.config import TwistConfig

METHODS = {
    "aawr": "advantage-weighted regression, privileged critic",
    "awr": "advantage-weighted regression, symmetric critic",
    "bc": "behaviour cloning",
    "distillation": "a privileged expert, imitated without its privileged input",
    "vib": "a privileged policy whose privileged input passes an information bottleneck",
}
PRIVILEGED_METHODS = ("aawr", "distillation", "vib")
WEIGHTINGS = {"exp": "exp(A / beta), clipped", "indicator": "1 where A > 0: filtered cloning"}
CHOICES = {
    "taken": "the demonstrated choices, as they were drawn",
    "open": "every open view, as if a demonstrator had been as likely to take any of them",
}
PRECISIONS = {"fp32": "single precision", "bf16": "bfloat16 autocast, weights and losses in single precision"}
READS = ("image", "proprioception", "seen_map")
VIEWPOINT, TWIST = "viewpoint", "twist"
ACTION_SPACES = {
    VIEWPOINT: "choose among candidate views; a mover and a servo drive",
    TWIST: "steer the camera by chunks of levelled twists",
}
DETECTORS = ("segmentation", "color_shape")
TRAIN_SEEDS = range(100_000)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Widths of the networks."""

    # Image encoder: compact, published, or hf:DIR, a frozen transformers backbone saved in a folder
    encoder: str = "compact"
    # Width of the image embedding
    embedding: int = 32
    # What the actor's trunk reads beside the candidate views' features: image, proprioception, seen_map
    reads: tuple[str, ...] = READS
    # Width of the actor's layers
    actor: int = 128
    # Width of the critics' layers
    critic: int = 256
    # Share of hidden units dropped while training
    dropout: float = 0.2
    # Size of the critics' ensemble; the smallest Q counts
    critics: int = 2
    # Arithmetic while training: fp32 or bf16
    precision: str = "fp32"

    def __post_init__(self) -> None:
        if min(self.embedding, self.actor, self.critic, self.critics) < 1 or not 0.0 <= self.dropout < 1.0:
            raise UsageError("network: widths and critics must be at least 1, and dropout lie in [0, 1).")
        for name in self.reads:
            if name not in READS:
                raise UsageError.unknown("actor input", name, READS)
        if self.precision not in PRECISIONS:
            raise UsageError.unknown("precision", self.precision, PRECISIONS)


@dataclass(frozen=True, slots=True)
class CollectConfig:
    """Demonstrations of a deliberately imperfect searcher."""

    # Tasks, each with the same share of the demonstrations
    tasks: tuple[str, ...] = ("bookshelf_pineapple", "bookshelf_duck")
    # Objects to look for, in turn within each task; empty for each task's usual target
    targets: tuple[str, ...] = ()
    # Demonstrations in all
    episodes: int = 600
    # Demonstrations per shard; a kill loses at most the shards in progress
    shard_episodes: int = 50
    # First layout seed
    seed: int = 0
    # Worker processes
    workers: int = 2
    # Detector: segmentation (true mask with injected errors, fast) or color_shape (must be passed in)
    detector: str = "segmentation"
    # Leave out layouts whose target is seen from the start: they hold nothing to choose
    hidden_only: bool = True
    # Give every compartment the same share of targets; otherwise targets stand where the task puts them
    balanced: bool = True
    # Width and height of the wrist image in the simulation; the actor sees it downsampled to 84
    wrist_px: int = 168
    # What varies besides the layout: none, train, shifted, extreme, or a YAML file
    randomization: str = "train"
    # Share of detections that the segmentation detector misses, and of frames with a false one
    miss_rate: float = 0.05
    false_rate: float = 0.05
    # Standard deviation of the noise on the twist, as a share of the speed limits
    action_noise: float = 0.05
    # Control steps after which an episode is cut off
    max_steps: int = 400
    # Shares of episodes in random order, in noisy coverage order, and in sweep order
    mixture: tuple[float, float, float] = (0.45, 0.45, 0.1)
    # What a decision is: viewpoint (one of the candidate views) or twist (a chunk of camera twists)
    action_space: str = "viewpoint"
    # Chunks, for the action space twist
    twist: TwistConfig = field(default_factory=TwistConfig)

    def __post_init__(self) -> None:
        if self.action_space not in ACTION_SPACES:
            raise UsageError.unknown("action space", self.action_space, ACTION_SPACES)
        if self.detector not in DETECTORS:
            raise UsageError.unknown("detector", self.detector, DETECTORS)
        if min(self.episodes, self.shard_episodes, self.workers, self.max_steps) < 1:
            raise UsageError("collect: episodes, shard_episodes, workers and max_steps must be at least 1.")
        if not self.tasks or abs(sum(self.mixture) - 1.0) > 1e-6 or min(self.mixture) < 0.0:
            raise UsageError("collect: name at least one task, and give a mixture of three shares that sum to 1.")


@dataclass(frozen=True, slots=True)
class VibConfig:
    """The bottleneck of the method vib."""

    # Length of the code
    code: int = 8
    # Weight of a nat that the code tells about the privileged input
    weight: float = 0.01

    def __post_init__(self) -> None:
        if self.code < 1 or self.weight < 0.0:
            raise UsageError("vib: code must be at least 1, and weight not negative.")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run."""

    # What to train: aawr (privileged critic), awr (symmetric critic), bc (cloning), distillation or vib
    method: str = "aawr"
    # What a decision is: viewpoint (choose a candidate view) or twist (steer by chunks)
    action_space: str = "viewpoint"
    # The actor's head, the first for viewpoint and the others for twist
    head: str = field(default=CATEGORICAL, metadata={"choices": HEADS})
    # Weight of a decision: exp (of its advantage) or indicator (advantage > 0); bc has none
    weighting: str = "exp"
    # Whose weights the actor's loss takes: those of the taken views or chunks, or of every open view
    choices: str = "taken"
    # Folder of the demonstrations; collected there first when it is missing
    data: str = "runs/search/demonstrations"
    # Folder of the run: curves, checkpoints, exported actor
    out: str = "runs/search/aawr"
    # Seed of initialisation and sampling
    seed: int = 0
    # Updates of the image encoder on auto-labelled frames, before actor and critic
    pretrain_updates: int = 400
    # Frames per encoder update
    pretrain_batch: int = 128
    # Updates of critic and actor
    updates: int = 2500
    # Decisions per update
    batch_size: int = 256
    # Learning rate of every optimiser (Adam; AdamW for the actor)
    learning_rate: float = 3e-4
    # Weight decay of the actor
    weight_decay: float = 1e-3
    # Discount per control step
    discount: float = 0.995
    # Expectile of the value regression; ignored by bc
    expectile: float = 0.7
    # Temperature; it divides the normalised advantage; ignored by bc
    beta: float = 0.4
    # Largest weight of a decision; ignored by bc
    weight_clip: float = 20.0
    # Share of the observed return in the advantage's estimate of Q; ignored by bc
    return_mix: float = 0.0
    # Step of the target networks towards the trained ones; ignored by bc
    target_update_rate: float = 0.03
    # Share of episodes held out for diagnostics
    held_out: float = 0.1
    # Updates between two lines of the curves
    log_every: int = 100
    # Updates between two checkpoints
    checkpoint_every: int = 1000
    # Checkpoints kept
    keep: int = 2
    # Privileged entries that the critic sees; ignored by awr and bc
    critic: tuple[str, ...] = PRIVILEGED_KEYS
    # Widths of the networks
    network: NetworkConfig = field(default_factory=NetworkConfig)
    # Sizes of the heads over chunks
    policy: HeadConfig = field(default_factory=HeadConfig)
    # What actor and critic remember of the running episode
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    # Learning from pixels: augmentation, regularisation, how the encoder is trained
    pixels: PixelConfig = field(default_factory=PixelConfig)
    # Episodes with the actor in training, after the offline phase
    online: OnlineConfig = field(default_factory=OnlineConfig)
    # The bottleneck of the method vib
    vib: VibConfig = field(default_factory=VibConfig)
    # Weights of the reward
    reward: RewardConfig = field(default_factory=RewardConfig)
    # How the skill that is trained looks around
    search: SearchConfig = field(default_factory=SearchConfig)
    # The demonstrations
    collect: CollectConfig = field(default_factory=CollectConfig)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError.unknown("method", self.method, METHODS)
        self._check_actions()
        if not 0.0 < self.expectile < 1.0 or not 0.0 < self.discount <= 1.0 or self.beta <= 0.0:
            raise UsageError("training: expectile must lie in (0, 1), discount in (0, 1], and beta be positive.")
        if not 0.0 <= self.return_mix <= 1.0 or not 0.0 <= self.held_out < 1.0:
            raise UsageError("training: return_mix must lie in [0, 1] and held_out in [0, 1).")
        if min(self.batch_size, self.pretrain_batch, self.log_every, self.checkpoint_every, self.keep) < 1:
            raise UsageError("training: batch sizes, log_every, checkpoint_every and keep must be at least 1.")
        if min(self.updates, self.pretrain_updates) < 0:
            raise UsageError("training: updates must not be negative.")
        ObsGroups(critic=self.critic)

    @property
    def groups(self) -> ObsGroups:
        """What each network sees under this method."""
        return ObsGroups(critic=self.critic if self.method in PRIVILEGED_METHODS else ())

    @property
    def demonstrations(self) -> CollectConfig:
        """The demonstrations, recorded in the run's action space."""
        return replace(self.collect, action_space=self.action_space)

    def _check_actions(self) -> None:
        if self.action_space not in ACTION_SPACES:
            raise UsageError.unknown("action space", self.action_space, ACTION_SPACES)
        if self.collect.action_space not in (VIEWPOINT, self.action_space):
            raise UsageError(
                f"training: action_space is {self.action_space}, but collect.action_space {self.collect.action_space}."
            )
        if self.head not in HEADS:
            raise UsageError.unknown("head", self.head, HEADS)
        if (self.head == CATEGORICAL) != (self.action_space == VIEWPOINT):
            fitting = " or ".join(n for n in HEADS if (n == CATEGORICAL) == (self.action_space == VIEWPOINT))
            raise UsageError(f"training: the action space {self.action_space} needs head {fitting}, not {self.head}.")
        if self.choices not in CHOICES:
            raise UsageError.unknown("choices", self.choices, CHOICES)
        if self.choices == "open" and (self.action_space != VIEWPOINT or self.method not in ("aawr", "awr")):
            raise UsageError(
                "training: choices open goes with the action space viewpoint and the methods aawr and awr."
            )
        if self.choices == "open" and (self.weighting != "exp" or self.return_mix > 0.0):
            raise UsageError(
                "training: choices open goes with the weighting exp, and return_mix 0: no return was observed."
            )
        if self.weighting not in WEIGHTINGS:
            raise UsageError.unknown("weighting", self.weighting, WEIGHTINGS)
