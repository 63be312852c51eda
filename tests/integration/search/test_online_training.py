"""A whole online run in the kinematic world: half and half, and bit for bit the same after being killed anywhere."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from online_fixtures import LocalEngine, demonstrations, kinematic_stage

from robots.curves import read_curves
from search_policy.learning.config import TrainConfig
from search_policy.learning.trainer import train_on
from search_policy.online.config import OnlineConfig, SensorConfig
from search_policy.online.phase import OnlinePhase

SMALL = {"updates": 4, "pretrain_updates": 2, "batch_size": 16, "pretrain_batch": 8, "log_every": 2, "keep": 2}


@pytest.fixture(scope="module")
def frames():
    return demonstrations(8)


def config_of(out, **online):
    values = {"episodes": 6, "episodes_per_round": 2, "updates_per_episode": 2, "workers": 1, **online}
    return TrainConfig(out=str(out), checkpoint_every=3, online=OnlineConfig(**values), **SMALL)


def phase_of(config, dies_after=None):
    return OnlinePhase(config, lambda: kinematic_stage(config.online), lambda stage: LocalEngine(stage, dies_after))


def trained(config, frames, dies_after=None):
    return (train_on(config, frames, phase_of(config, dies_after)) / "actor.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("sensors", [SensorConfig(), SensorConfig(floor=0.2, start=2, end=10)], ids=["all", "fading"])
def test_a_run_that_is_killed_in_every_round_ends_bit_for_bit_the_same(frames, tmp_path, sensors):
    whole = trained(config_of(tmp_path / "whole", sensors=sensors), frames)
    config = config_of(tmp_path / "again", sensors=sensors)
    kills = 0
    for dies_after in (0, 1, 3, 2, 1):  # in the middle of a round, at its start, after another
        try:
            trained(config, frames, dies_after)
        except KeyboardInterrupt:
            kills += 1
    assert kills >= 3
    assert trained(config, frames) == whole


def test_online_figures_reach_the_curves_and_episodes_are_learned_from(frames, tmp_path):
    config = config_of(tmp_path)
    online = trained(config, frames)
    rows = read_curves(tmp_path)
    assert rows[-1]["step"] == 2 + 4 + 6 * 2
    assert any(name.startswith("online_") for name in rows[-1])
    assert online != trained(config_of(tmp_path / "other", seed=51_000), frames)
