"""Runs online episodes one by one, in a world that stays; an episode depends on its number and the actor alone."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from robots.errors import UsageError
from robots.files import write_atomically
from search_policy.episodes.collect import Layout
from search_policy.episodes.rollout import Rollout, SearchEpisode
from search_policy.episodes.world import SearchWorld
from search_policy.motion.viewpoints import candidate_views
from search_policy.online.interventions import Policy, Supervised
from search_policy.online.stage import Stage, TargetedWorld
from search_policy.searchers.choosers import PolicyChooser
from search_policy.twist.deploy import TwistSetup, rollout_of
from search_policy.twist.learned import TwistPolicy

ActorFiles = Mapping[str, bytes]  # an exported actor's folder: relative paths and contents


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
        self._policy: Policy[Any] | None = None

    def run(self, number: int, actor: ActorFiles) -> SearchEpisode:
        """Run one episode with that actor.

        Args:
            number: Counts all online episodes; decides task, target, layout and every draw.
            actor: The exported actor, loaded strictly and only when it is another one than before.

        Raises:
            CheckpointError: The actor cannot be loaded.
        """
        policy, layout, stage = self._policy_of(actor), self._set_up(number), self._stage
        if stage.intervention is None:
            episode = self._rollout(policy, layout).run(layout.task, layout.seed, stage.detector)
            return replace(episode, task=layout.name)
        watched = Supervised(policy, stage.intervention(self._world, self._views))
        detector = watched.watch(stage.detector)
        episode = self._rollout(watched, layout).run(layout.task, layout.seed, detector)
        return replace(watched.mark(episode), task=layout.name)

    def _rollout(self, policy: Policy[Any], layout: Layout) -> Rollout:
        stage = self._stage
        if stage.twist is not None:
            setup = TwistSetup(stage.search, stage.limits, stage.twist)
            return rollout_of(self._world, policy, setup, seed=layout.seed)
        return Rollout.build(self._world, policy, stage.search, stage.limits, seed=layout.seed, views=self._views)

    def _policy_of(self, actor: ActorFiles) -> Policy[Any]:
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
    """Return an exported actor's files, those in folders inside it, too."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _load(actor: ActorFiles, stage: Stage) -> Policy[Any]:
    online = stage.online
    with tempfile.TemporaryDirectory() as folder:
        for name, content in actor.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        if stage.twist is not None:
            return TwistPolicy.load(Path(folder), greedy=not online.sample)
        return PolicyChooser.load(Path(folder), greedy=not online.sample, temperature=online.temperature)
