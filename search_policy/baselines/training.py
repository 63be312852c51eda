"""Train PPO or SAC from scratch: random policy, encoder, then iterations; resumes bit-exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from robots.curves import Curves
from robots.run_claim import claim
from search_policy.baselines.config import BaselineConfig, PpoConfig, SacConfig
from search_policy.baselines.environment import DecisionEnv
from search_policy.baselines.run import Run
from search_policy.learning.checkpoint import save_actor
from search_policy.learning.training_state import checkpoints
from search_policy.semantics.storage import carry_insight

ACTOR, CHECKPOINTS = "actor", "checkpoints"


def train_baseline(config: PpoConfig | SacConfig, make: Callable[[BaselineConfig], DecisionEnv]) -> Path:
    """Train and return the folder of the exported actor; a run folder that holds checkpoints is continued.

    Args:
        config: The run: hyper-parameters.
        make: Makes the environment, `simulation.SimulatedSearch` or a toy.

    Raises:
        UsageError: The run folder belongs to another configuration.
    """
    torch.set_num_threads(1)
    out = Path(config.out)
    claim(out, asdict(config))
    env = make(config)
    try:
        run = Run(config, env)
        saved = checkpoints(out / CHECKPOINTS)
        if saved:
            run.state.load(saved[-1])
        _iterate(run, config, out)
    finally:
        env.close()
    run.actor.eval()
    carry_insight(config.search.insight, out / ACTOR)
    training = {"method": config.method, "seed": config.seed, "decisions": run.decisions, "episodes": run.episodes}
    save_actor(run.actor, out / ACTOR, {**training, "discount": config.discount, "tasks": list(config.world.tasks)})
    return out / ACTOR


def _iterate(run: Run, config: PpoConfig | SacConfig, out: Path) -> None:
    curves = Curves(out, run.decisions)
    with tqdm(total=config.decisions, initial=run.decisions, desc=config.method, disable=None) as bar:
        while run.decisions < config.decisions:
            before = run.decisions
            metrics = run.iterate()
            bar.update(run.decisions - before)
            curves.append(run.decisions, metrics)
            if run.iterations % config.checkpoint_every == 0 or run.decisions >= config.decisions:
                run.state.save(out / CHECKPOINTS, config.keep)
    curves.close()
