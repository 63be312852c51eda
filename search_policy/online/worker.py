"""Runs online episodes one by one, in a world that stays; an episode depends on its number and the actor alone."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robots.errors import UsageError
from search_policy.episodes.collect import Layout
from search_policy.episodes.rollout import Rollout, SearchEpisode
from search_policy.episodes.world import SearchWorld
from search_policy.learning.checkpoint import write_atomically
from search_policy.motion.viewpoints import candidate_views
from search_policy.observations import AgentState
from search_policy.online.interventions import Policy, Supervised
from search_policy.online.stage import Stage, TargetedWorld
from search_policy.searchers.choosers import PolicyChooser
from search_policy.twist.config import TwistConfig
from search_policy.twist.deploy import TwistSetup, rollout_of
from search_policy.twist.learned import TwistPolicy

ActorFiles = Mapping[str, bytes]  # an exported actor's folder: file names and contents


class Explorer:
    """Draws views from pi(a | z)^(1 / temperature), normalised.

    Args:
        policy: The actor.
        temperature: Above 1 explores more, below 1 less.
    """

    def __init__(self, policy: PolicyChooser, temperature: float) -> None:
        self._policy, self._temperature = policy, temperature
        self._rng = np.random.default_rng(0)

    def reset(self, rng: np.random.Generator) -> None:
        """Take over the episode's generator."""
        self._rng = rng
        self._policy.reset(rng)

    def choose(self, state: AgentState) -> int:
        """Draw a view."""
        share = tempered(self._policy.probabilities(state), self._temperature)
        return int(self._rng.choice(len(share), p=share))


def tempered(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return p^(1 / temperature), normalised, (v,); what was impossible stays so."""
    largest = probabilities.max()
    raised = (probabilities / largest) ** (1.0 / temperature)
    share: NDArray[np.float64] = raised / raised.sum()
    return share


class EpisodeWorker:
    """Keeps its world from episode to episode and from round to round.

    Args:
        stage: What the episodes run in.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._world = stage.worlds()
        self._views = candidate_views(self._world.region, stage.search.views)
        self._files: ActorFiles = {}
        self._policy: Policy[int] | TwistPolicy | None = None

    def run(self, number: int, actor: ActorFiles) -> SearchEpisode:
        """Run one episode with that actor.

        Args:
            number: Counts all online episodes; decides task, target, layout and every draw.
            actor: The exported actor, loaded strictly and only when it is another one than before.

        Raises:
            CheckpointError: The actor cannot be loaded.
        """
        policy, layout = self._policy_of(actor), self._set_up(number)
        if isinstance(policy, TwistPolicy):
            return replace(self._steered(policy, layout), task=layout.name)
        watcher = None
        detector, chooser = self._stage.detector, policy
        if self._stage.intervention is not None:
            watcher = Supervised(policy, self._stage.intervention(self._world, self._views))
            detector, chooser = watcher.watch(detector), watcher
        search, limits = self._stage.search, self._stage.limits
        rollout = Rollout.build(self._world, chooser, search, limits, seed=layout.seed, views=self._views)
        episode = rollout.run(layout.task, layout.seed, detector)
        episode = episode if watcher is None else watcher.mark(episode)
        return replace(episode, task=layout.name)

    def _steered(self, policy: TwistPolicy, layout: Layout) -> SearchEpisode:
        stage = self._stage
        setup = TwistSetup(stage.search, stage.limits, stage.twist or TwistConfig())
        return rollout_of(self._world, policy, setup, seed=layout.seed).run(layout.task, layout.seed, stage.detector)

    def _policy_of(self, actor: ActorFiles) -> Policy[int] | TwistPolicy:
        if self._policy is None or actor != self._files:
            self._files, self._policy = dict(actor), _load(actor, self._stage)
        return self._policy

    def _set_up(self, number: int) -> Layout:
        """Return the first of the episode's layouts whose target is hidden but not shut away, or else the last one."""
        layouts = self._stage.layouts(number)
        for layout in layouts:
            look_for(self._world, layout.target)
            if not self._stage.hidden_only or self._worth(layout):
                return layout
        return layouts[-1]

    def _worth(self, layout: Layout) -> bool:
        self._world.reset(layout.task, layout.seed)
        truth, region = self._world.truth(), self._world.region
        if truth.position_m is None or truth.visible_px > 0:
            return False
        place = region.index_of(truth.position_m, slack_m=0.05)
        return place is not None and region.compartments[place].closure not in self._world.closed


def look_for(world: SearchWorld, target: str | None) -> None:
    """Choose what the world's next layout is about.

    Raises:
        UsageError: The world knows its tasks' usual targets only.
    """
    if isinstance(world, TargetedWorld):
        world.look_for(target)
    elif target is not None:
        raise UsageError(f"online: this world cannot be asked to look for {target!r}, only for its tasks' own targets.")


def read_actor(folder: Path) -> ActorFiles:
    """Return an exported actor's files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix != ".part"}


def _load(actor: ActorFiles, stage: Stage) -> Policy[int] | TwistPolicy:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in actor.items():
            write_atomically(Path(folder) / name, content)
        if stage.twist is not None:
            return TwistPolicy.load(Path(folder), greedy=not stage.online.sample)
        policy = PolicyChooser.load(Path(folder), greedy=not stage.online.sample)
    return Explorer(policy, stage.online.temperature) if stage.online.sample else policy
