"""Train a search policy: encoder on free labels, then critic and actor on cached embeddings; resumes bit-exactly."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from robots.errors import UsageError
from search_policy.episodes.collect import collect
from search_policy.episodes.dataset import COLUMNS, check_demonstrations, load_frames, shards
from search_policy.episodes.frame_checks import check_frames
from search_policy.episodes.world import DetectorFactory
from search_policy.learning.aawr import Learner
from search_policy.learning.batches import DecisionSource, actor_spec
from search_policy.learning.checkpoint import save_actor, write_atomically
from search_policy.learning.config import TrainConfig
from search_policy.learning.curves import Curves
from search_policy.learning.diagnostics import rank_correlations
from search_policy.learning.learner import build_learner
from search_policy.learning.pretrain import Auxiliary, LabelledFrames, Pretraining
from search_policy.learning.replay import Frames, split_episodes, transitions
from search_policy.learning.training_state import TrainingState, checkpoints
from search_policy.pixels.encoders import embed_all
from search_policy.pixels.feature_cache import encoder_inputs
from search_policy.semantics.storage import carry_insight

ACTOR, CHECKPOINTS, CONFIG, DIAGNOSTICS = "actor", "checkpoints", "config.json", "diagnostics.json"


def train(config: TrainConfig, detector: DetectorFactory | None = None) -> Path:
    """Collect what is missing of the demonstrations, train, and return the folder of the exported actor.

    A run folder that holds checkpoints is continued.

    Args:
        config: The run.
        detector: See `collect.collect`.

    Raises:
        UsageError: The run folder belongs to another configuration, or there is nothing to learn from.
    """
    data = Path(config.data)
    check_demonstrations(data)
    wanted = -(-config.collect.episodes // config.collect.shard_episodes)
    if len(shards(data)) < wanted:
        collect(config.demonstrations, config.search, data, detector)
    return train_on(config, load_frames(data, config.action_space))


def train_on(config: TrainConfig, frames: Frames) -> Path:
    """Train on frames in memory and return the folder of the exported actor."""
    torch.set_num_threads(1)
    out = Path(config.out)
    check_frames(frames, config.data, COLUMNS)
    _claim(out, config)
    training, held_out = split_episodes(frames, config.held_out, np.random.default_rng(config.seed))
    run = _Run(config, training)
    saved = checkpoints(out / CHECKPOINTS)
    if saved:
        run.state.load(saved[-1])
    curves = Curves(out, run.state.step)
    total = config.pretrain_updates + config.updates
    with tqdm(total=total, initial=run.state.step, desc=config.method, disable=None) as bar:
        while run.state.step < total:
            metrics = run.update()
            bar.update()
            if run.state.step % config.log_every == 0 or run.state.step == total:
                curves.append(run.state.step, metrics)
            if run.state.step % config.checkpoint_every == 0 or run.state.step == total:
                run.state.save(out / CHECKPOINTS, config.keep)
    curves.close()
    _export(run, config, held_out, out)
    return out / ACTOR


class _Run:
    """One training run: what to do in the next update follows from the state alone."""

    def __init__(self, config: TrainConfig, frames: Frames) -> None:
        self.config = config
        self._frames = frames
        self._decisions = transitions(frames, config.reward, config.discount)
        if not len(self._decisions.index):
            raise UsageError("training: the demonstrations hold no decision to learn from.")
        self._source: DecisionSource | None = None
        # Every module draws from the generator in the same order under every method, so initial actors agree.
        torch.manual_seed(config.seed)
        spec = actor_spec(frames, config)
        auxiliary = Auxiliary(spec)
        learner = build_learner(config, spec)
        self._pretraining = Pretraining(learner.actor.encoder, auxiliary, config.pixels)
        self._labelled = LabelledFrames(frames, learner.actor.encoder, Path(config.pixels.features))
        sampler = np.random.default_rng([config.seed, 1])
        self.state = TrainingState(learner, auxiliary, self._pretraining.optimizer, sampler)

    def update(self) -> dict[str, float]:
        """Do the next update and return its metrics."""
        pretraining = self.state.step < self.config.pretrain_updates
        metrics = self._pretrain() if pretraining else self._learn()
        self.state.step += 1
        return metrics

    def source(self, frames: Frames) -> DecisionSource:
        """Return decisions with embeddings of the encoder as it is now."""
        decisions = transitions(frames, self.config.reward, self.config.discount)
        encoder = self.state.learner.actor.encoder
        embedding = embed_all(encoder, encoder_inputs(encoder, frames.image, Path(self.config.pixels.features)))
        return DecisionSource(frames, decisions, embedding, self.config.groups, self.config.memory.frames)

    def _pretrain(self) -> dict[str, float]:
        batch = self._labelled.draw(self.state.sampler, self.config.pretrain_batch)
        return self._pretraining.update(batch, self.state.sampler)

    def _learn(self) -> dict[str, float]:
        if self._source is None:
            self._source = self.source(self._frames)
        rows = self.state.sampler.integers(len(self._source), size=self.config.batch_size)
        return self.state.learner.update(self._source.batch(rows))


def _claim(out: Path, config: TrainConfig) -> None:
    """Write the run's configuration, or check that the folder is this run's."""
    described = json.loads(json.dumps(asdict(config)))
    path = out / CONFIG
    if path.is_file() and json.loads(path.read_text()) != described:
        raise UsageError(f"{out} holds a run with another configuration; choose another --out or delete the folder.")
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(described, indent=2) + "\n").encode())


def _export(run: _Run, config: TrainConfig, held_out: Frames, out: Path) -> None:
    learner = run.state.learner
    learner.actor.eval()
    if len(held_out) and isinstance(learner, Learner) and config.method != "bc":
        found = rank_correlations(learner, run.source(held_out))
        write_atomically(out / DIAGNOSTICS, (json.dumps(found, indent=2) + "\n").encode())
    kept = (
        *("method", "action_space", "weighting", "seed", "updates", "pretrain_updates"),
        *("discount", "expectile", "beta", "return_mix"),
    )
    training = {name: getattr(config, name) for name in kept}
    carry_insight(config.search.insight, out / ACTOR)
    save_actor(learner.actor, out / ACTOR, {**training, "tasks": list(config.collect.tasks)})
