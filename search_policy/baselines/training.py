"""Train PPO or SAC from scratch: random policy, encoder, then iterations; resumes bit-exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from robots.errors import UsageError
from search_policy.baselines.config import BaselineConfig, PpoConfig, SacConfig
from search_policy.baselines.environment import DecisionEnv
from search_policy.baselines.run import Run
from search_policy.learning.checkpoint import save_actor, write_atomically
from search_policy.learning.curves import Curves
from search_policy.learning.training_state import checkpoints

ACTOR, CHECKPOINTS, CONFIG = "actor", "checkpoints", "config.json"


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
    _claim(out, config)
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


def _claim(out: Path, config: PpoConfig | SacConfig) -> None:
    """Write the run's configuration, or check that the folder is this run's."""
    described = json.loads(json.dumps(asdict(config)))
    path = out / CONFIG
    if path.is_file() and json.loads(path.read_text()) != described:
        raise UsageError(f"{out} holds a run with another configuration; choose another --out or delete the folder.")
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(described, indent=2) + "\n").encode())
