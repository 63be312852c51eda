"""Train a search policy: encoder on free labels, then critic and actor on cached embeddings; resumes bit-exactly."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from robots.curves import Curves
from robots.errors import UsageError
from robots.files import write_atomically
from robots.run_claim import claim
from search_policy.episodes.collect import collect
from search_policy.episodes.dataset import COLUMNS, check_demonstrations, load_frames, shards
from search_policy.episodes.frame_checks import check_frames
from search_policy.episodes.world import DetectorFactory
from search_policy.learning.aawr import Learner
from search_policy.learning.batches import DecisionSource, actor_spec
from search_policy.learning.checkpoint import save_actor
from search_policy.learning.config import TrainConfig
from search_policy.learning.diagnostics import rank_correlations
from search_policy.learning.learner import build_learner
from search_policy.learning.precision import autocast
from search_policy.learning.pretrain import Auxiliary, LabelledFrames, Pretraining
from search_policy.learning.replay import Frames, split_episodes, transitions
from search_policy.learning.training_state import TrainingState, checkpoints
from search_policy.online.phase import OnlinePhase
from search_policy.online.sensors import DEMONSTRATIONS, HELD_OUT, ONLINE
from search_policy.pixels.encoders import embed_all
from search_policy.pixels.end_to_end import EndToEndSource
from search_policy.pixels.feature_cache import encoder_inputs
from search_policy.semantics.storage import carry_insight

ACTOR, CHECKPOINTS, DIAGNOSTICS = "actor", "checkpoints", "diagnostics.json"


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
    return train_on(config, load_frames(data, config.action_space), OnlinePhase.simulated(config, detector))


def train_on(config: TrainConfig, frames: Frames, online: OnlinePhase | None = None) -> Path:
    """Train on frames in memory, then online, and return the folder of the exported actor.

    Args:
        config: The run.
        frames: Demonstrations.
        online: Collects and keeps online episodes; None for the simulation.
    """
    torch.set_num_threads(1)
    out = Path(config.out)
    check_frames(frames, config.data, COLUMNS)
    claim(out, asdict(config))
    training, held_out = split_episodes(frames, config.held_out, np.random.default_rng(config.seed))
    run = _Run(config, training, online or OnlinePhase.simulated(config))
    saved = checkpoints(out / CHECKPOINTS)
    if saved:
        run.state.load(saved[-1])
    curves = Curves(out, run.state.step)
    total = config.pretrain_updates + config.updates + config.online.updates
    with run.online, tqdm(total=total, initial=run.state.step, desc=config.method, disable=None) as bar:
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

    def __init__(self, config: TrainConfig, frames: Frames, online: OnlinePhase) -> None:
        self.config, self.online = config, online
        self._frames = frames
        if not len(transitions(frames, config.reward, config.discount).index):
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

    def learned(self) -> int:
        """Return how many updates of critic and actor were done."""
        return self.state.step - self.config.pretrain_updates

    def export(self, folder: Path) -> None:
        """Write the actor as it is now."""
        config = self.config
        kept = (
            *("method", "action_space", "weighting", "seed", "updates", "pretrain_updates"),
            *("discount", "expectile", "beta", "return_mix"),
        )
        training = {name: getattr(config, name) for name in kept}
        looked_for = {"tasks": list(config.collect.tasks), "targets": list(config.collect.targets)}
        carry_insight(config.search.insight, folder)
        save_actor(self.state.learner.actor, folder, training | looked_for)

    def source(self, frames: Frames, number: int) -> DecisionSource:
        """Return decisions with embeddings of the encoder as it is now; `number` tells the data sets apart."""
        decisions = transitions(frames, self.config.reward, self.config.discount)
        encoder = self.state.learner.actor.encoder
        embedding = embed_all(encoder, encoder_inputs(encoder, frames.image, Path(self.config.pixels.features)))
        source = DecisionSource(frames, decisions, embedding, self.config.groups, self.config.memory.frames)
        return self.online.sense(source, frames, number, self.learned)

    def _training_source(self, frames: Frames, number: int) -> DecisionSource:
        """Return decisions with stored embeddings, or with images that are embedded as they are consumed."""
        if self.config.pixels.training != "end_to_end":
            return self.source(frames, number)
        decisions = transitions(frames, self.config.reward, self.config.discount)
        encoder = self.state.learner.actor.encoder
        source = EndToEndSource(frames, decisions, encoder, self.config, self.state.sampler)
        return self.online.sense(source, frames, number, self.learned)

    def _pretrain(self) -> dict[str, float]:
        batch = self._labelled.draw(self.state.sampler, self.config.pretrain_batch)
        return self._pretraining.update(batch, self.state.sampler)

    def _learn(self) -> dict[str, float]:
        if self._source is None:
            self._source = self._training_source(self._frames, DEMONSTRATIONS)
        size, sampler, online = self.config.batch_size, self.state.sampler, self.learned() - self.config.updates
        if online >= 0:
            self.online.prepare(online, self.export, partial(self._training_source, number=ONLINE))
        with autocast(self.config.network.precision):
            if online >= 0:
                batch = self.online.batch(self._source, size, sampler)
            else:
                batch = self._source.batch(sampler.integers(len(self._source), size=size))
        return self.state.learner.update(batch) | (self.online.figures if online >= 0 else {})


def _export(run: _Run, config: TrainConfig, held_out: Frames, out: Path) -> None:
    learner = run.state.learner
    learner.actor.eval()
    if len(held_out) and isinstance(learner, Learner) and config.method != "bc":
        found = rank_correlations(learner, run.source(held_out, HELD_OUT))
        write_atomically(out / DIAGNOSTICS, (json.dumps(found, indent=2) + "\n").encode())
    run.export(out / ACTOR)
