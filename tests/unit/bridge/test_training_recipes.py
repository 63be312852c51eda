"""The shipped recipes: every key exists, and the learning rate falls over the whole run."""

from pathlib import Path

import pytest

from handoff.commands.options import parse_options
from handoff.commands.train_generalist import gathered
from vla_bridge.training.config import GeneralistConfig
from vla_bridge.training.policy_options import policy_config

RECIPES = Path(__file__).resolve().parents[3] / "configs" / "generalists" / "training"


@pytest.mark.parametrize("name", ["film", "pi0_mini"])
def test_a_recipe_is_complete(name):
    own, policy = gathered(GeneralistConfig, ["--config", str(RECIPES / f"{name}.yaml"), "--dataset", "data"])
    config, chosen = parse_options(GeneralistConfig, own), policy_config(policy, "cpu")
    assert chosen.type == name
    assert chosen.scheduler_decay_steps == config.updates
    assert config.threads == 1


def test_options_beside_a_recipe_win_and_several_datasets_are_listed():
    arguments = ["--dataset=a,b", "--updates", "5", f"--config_path={RECIPES / 'film.yaml'}", "--policy.width=32"]
    own, policy = gathered(GeneralistConfig, arguments)
    config = parse_options(GeneralistConfig, own)
    assert (config.dataset, config.updates, config.batch_size) == (("a", "b"), 5, 64)
    assert (policy["width"], policy["type"]) == (32, "film")
