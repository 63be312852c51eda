"""`baton doctor` on real LeRobot types: the simulated arm passes, an arm that is not there is named."""

import importlib.util
import json

import pytest
import yaml

from handoff.cli import main
from handoff.commands.doctor_checks.lerobot_source import LeRobotTypes
from robots.errors import RobotError
from robots.sim.config import LIMITS
from tests.lerobot_policies import IMAGE_PX, save_tiny_policy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
    pytest.mark.filterwarnings("default::UserWarning"),
]
SIM = ["--robot.type=baton_sim", "--robot.discover_packages_path=robots.lerobot_plugin"]


@pytest.fixture
def profile(tmp_path):
    joints = [{"name": f"joint{index}", "key": f"joint{index}.pos"} for index in range(1, 8)]
    limits = {
        "lower_rad": list(LIMITS.lower_rad),
        "upper_rad": list(LIMITS.upper_rad),
        "velocity_rad_s": list(LIMITS.velocity_rad_s),
        "acceleration_rad_s2": list(LIMITS.acceleration_rad_s2),
        "workspace_min_m": list(LIMITS.workspace_min_m),
        "workspace_max_m": list(LIMITS.workspace_max_m),
    }
    camera = {"key": "wrist", "width_px": IMAGE_PX, "height_px": IMAGE_PX, "focal_px": 45.0}
    values = {
        "name": "bench",
        "driver": "lerobot",
        "type": "baton_sim",
        "joints": joints,
        "gripper": {"key": "gripper.pos", "open": 0.0, "closed": 1.0},
        "home_rad": [0.0] * 7,
        "limits": limits,
        "cameras": {"wrist": camera},
        "options": {"seed": 100_000, "third_person_px": None, "wrist_px": [IMAGE_PX, IMAGE_PX]},
    }
    file = tmp_path / "bench.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def doctor(capsys, *arguments):
    code = main(["doctor", "--json", "--port=0", *map(str, arguments)])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    return code, checks


def test_the_simulated_arm_with_its_profile_and_a_policy_passes(profile, tmp_path, capsys):
    policy = save_tiny_policy(tmp_path / "policy", actions=8, spread=0.1)
    options = [*SIM, f"--robot.calibration_dir={tmp_path}", f"--robot.profile={profile}", f"--vla.policy_path={policy}"]
    code, checks = doctor(capsys, "--out", tmp_path, *options)
    assert code == 0, checks
    assert checks["policy features"]["detail"] == "1 cameras, 8 states, 8 actions"
    assert checks["connection"]["detail"] == "baton_sim answers"
    assert checks["camera wrist"]["status"] == "ok"


UNPLUGGED = ["--robot.type=unplugged_arm", "--robot.discover_packages_path=tests.lerobot_arms"]


def test_an_arm_that_is_not_ready_is_not_connected(profile, tmp_path, capsys):
    options = [*UNPLUGGED, "--robot.id=left", f"--robot.calibration_dir={tmp_path}", f"--robot.profile={profile}"]
    code, checks = doctor(capsys, *options, "--robot.port", "/dev/nothing")
    assert code == 1
    assert checks["robot type"]["status"] == "ok"
    assert "made for baton_sim" in checks["robot profile"]["detail"]
    assert "no joint1.pos" in checks["profile fits robot"]["detail"]
    assert "left.json does not exist" in checks["calibration"]["detail"]
    assert "lerobot-calibrate --robot.type=unplugged_arm --robot.id=left" in checks["calibration"]["remedy"]
    assert "not tried" in checks["connection"]["detail"]


def test_an_option_that_the_arm_does_not_have(profile, capsys):
    code, checks = doctor(capsys, *UNPLUGGED, "--robot.prt=/dev/nothing", f"--robot.profile={profile}")
    assert code == 1
    assert "--robot.prt" in checks["robot options"]["detail"]


def test_an_unplugged_arm_is_named_by_its_port(tmp_path):
    source = LeRobotTypes("tests.lerobot_arms")
    assert {"unplugged_arm", "so101_follower"} <= source.known_types()
    robot = source.build("unplugged_arm", ["--robot.port=/dev/nothing", f"--robot.calibration_dir={tmp_path}"])
    assert (robot.states, robot.calibrated, robot.simulated) == (("pan.pos", "gripper.pos"), False, False)
    with pytest.raises(RobotError, match="/dev/nothing"):
        robot.connect()
    with pytest.raises(RobotError, match="not connected"):
        robot.look()
    robot.disconnect()


@pytest.mark.skipif(importlib.util.find_spec("scservo_sdk") is not None, reason="the driver is installed here")
def test_a_driver_that_is_not_installed_is_named(profile, tmp_path, capsys):
    options = ["--robot.port=/dev/nothing", f"--robot.calibration_dir={tmp_path}", f"--robot.profile={profile}"]
    code, checks = doctor(capsys, "--robot.type=so101_follower", *options)
    assert code == 1
    assert "feetech" in checks["robot driver"]["detail"]
    assert "Install" in checks["robot driver"]["remedy"]


def test_a_plugin_that_is_not_there_is_one_sentence(capsys):
    assert main(["doctor", "--robot.type=x", "--robot.discover_packages_path=nowhere.plugin", "--port=0"]) == 2
    assert "nowhere.plugin cannot be imported" in capsys.readouterr().err
