import json
import pathlib

import draccus
import pytest
import yaml

from handoff.authority import AuthorityConfig
from handoff.controller import ControllerConfig
from handoff.gate import GateConfig
from handoff.grasp_check import GraspCheckConfig
from handoff.retreat import RetreatConfig
from robots.errors import UsageError

DEFAULT = pathlib.Path(__file__).parents[3] / "configs" / "handoff" / "default.yaml"


def test_the_default_file_names_every_option_with_its_default():
    written = yaml.safe_load(DEFAULT.read_text())
    assert written == json.loads(json.dumps(draccus.encode(ControllerConfig())))
    assert draccus.decode(ControllerConfig, written) == ControllerConfig()


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (AuthorityConfig, {"grasp_timeout_s": 0.0}),
        (AuthorityConfig, {"still_s": float("nan")}),
        (AuthorityConfig, {"max_grasps": 0}),
        (GateConfig, {"vla_max_age_s": 0.0}),
        (GraspCheckConfig, {"open_below": 0.96}),
        (GraspCheckConfig, {"steady_change": 0.0}),
        (RetreatConfig, {"max_step_rad": 0.0}),
        (ControllerConfig, {"control_hz": 0.0}),
    ],
)
def test_impossible_values_are_refused_with_their_name(config, values):
    with pytest.raises(UsageError, match=next(iter(values)) if config is not GateConfig else "max_age_s"):
        config(**values)
