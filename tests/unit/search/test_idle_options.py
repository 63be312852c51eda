"""An option that was changed although it has no effect is refused by name; one that has an effect never is."""

from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest

from handoff import cli
from handoff.commands.options import parse_options
from robots.errors import UsageError
from search_policy.learning.config import TrainConfig
from search_policy.learning.idle_options import refuse_idle_options
from search_policy.online.config import OnlineConfig

CONFIGS = Path(__file__).parents[3] / "configs" / "search"


def given(text):
    return parse_options(TrainConfig, text.split())


@pytest.mark.parametrize(
    ("idle", "used", "name"),
    [
        ("--weighting indicator --beta 0.2", "--beta 0.2", "beta"),
        ("--weighting indicator --weight_clip 5", "--weight_clip 5", "weight_clip"),
        ("--memory.length 4", "--memory.length 4 --memory.kind gru", "memory.length"),
        ("--memory.width 32", "--memory.width 32 --memory.kind window", "memory.width"),
        ("--policy.deviation free", "--policy.deviation free TWIST gaussian", "policy.deviation"),
        ("--policy.components 2 TWIST gaussian", "--policy.components 2 TWIST mixture", "policy.components"),
        ("--policy.flow_steps 4 TWIST mixture", "--policy.flow_steps 4 TWIST flow", "policy.flow_steps"),
        ("--pixels.hue 0.1", "--pixels.hue 0.1 --pixels.jitter 0.5", "pixels.hue"),
        ("--pixels.noise_std 0.1", "--pixels.noise_std 0.1 --pixels.noise 0.5", "pixels.noise_std"),
        ("--pixels.cutout_size 0.2", "--pixels.cutout_size 0.2 --pixels.cutout 0.5", "pixels.cutout_size"),
        ("--pixels.blur_sigma_px 3", "--pixels.blur_sigma_px 3 --pixels.blur 0.5", "pixels.blur_sigma_px"),
        ("--pixels.curl_momentum 0.1", "--pixels.curl_momentum 0.1 --pixels.curl 1", "pixels.curl_momentum"),
        ("--collect.twist.horizon 8", "--collect.twist.horizon 8 TWIST flow", "collect.twist.horizon"),
    ],
)
def test_an_option_without_effect_is_refused_by_name(idle, used, name):
    twist = "--action_space twist --head"
    refuse_idle_options(given(used.replace("TWIST", twist)))
    config = given(idle.replace("TWIST", twist))
    with pytest.raises(UsageError, match=rf"^training: {name} {attrgetter(name)(config)} has no effect, because"):
        refuse_idle_options(config)


def test_the_command_refuses_before_anything_is_made(tmp_path, capsys):
    arguments = ["train", "--memory.length", "3", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 2
    assert "memory.length 3 has no effect, because memory.kind is none" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configurations_hold_no_idle_option(path):
    refuse_idle_options(parse_options(TrainConfig, ["--config_path", str(path)]))


def test_an_experiment_may_share_options_that_one_of_its_runs_ignores():
    shared = given("--memory.length 4 --memory.kind gru")
    assert replace(shared, memory=replace(shared.memory, kind="none")).memory.frames == 0


def test_a_temperature_needs_samples():
    with pytest.raises(UsageError, match=r"temperature 2.0 has no effect without sample"):
        OnlineConfig(sample=False, temperature=2.0)
