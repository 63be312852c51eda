"""`baton doctor` on a robot: every failing check is found, with its remedy, and nothing connects after a failure."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

import robots.fake
from handoff.cli import main
from handoff.commands.doctor_checks.franka_source import FrankaRobot, franka_source
from handoff.commands.doctor_checks.robot_setup import RobotQuestion, check_robot
from tests.unit.cli.doctor_fakes import PROFILE, SHAPE, FakeCamera, FakeClock, FakeRobot, FakeSource


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def robot(clock):
    return FakeRobot(FakeCamera(clock))


def examine(robot, facts=PROFILE, **question):
    clock = robot.camera.clock
    asked = RobotQuestion(**{"type": "fake_arm", "now": clock.now, "sleep": clock.sleep, **question})
    return list(check_robot(asked, FakeSource(robot, facts)))


def failures(findings):
    return {finding.name: finding for finding in findings if not finding.passed}


def test_a_whole_robot_passes_and_is_let_go(robot):
    findings = examine(robot)
    assert not failures(findings)
    assert [finding.name for finding in findings] == [
        "robot type",
        "robot profile",
        "safety limits",
        "profile fits robot",
        "calibration",
        "connection",
        "camera wrist",
    ]
    assert "30" in findings[-1].detail  # the measured rate
    assert robot.log == ["connect", "disconnect"]


def test_an_unknown_type_names_the_nearest_and_stops_there(robot):
    findings = examine(robot, type="fake_am")
    assert len(findings) == 1
    assert "Did you mean fake_arm?" in findings[0].remedy
    assert "--robot.discover_packages_path" in findings[0].remedy
    assert robot.log == []


def test_the_type_can_come_from_the_profile(robot):
    assert not failures(examine(robot, type="", profile="bench"))


def test_a_missing_profile_is_named_even_without_a_type(robot):
    for question in ({}, {"type": "", "profile": "bnch"}):
        found = failures(examine(robot, facts=None, **question))["robot profile"]
        assert "Did you mean 'bench'" in found.detail or "fake_arm" in found.detail
        assert "--robot.profile" in found.remedy
    assert robot.log == []


def test_a_profile_of_another_robot(robot):
    found = failures(examine(robot, replace(PROFILE, type="other_arm", options=("--robot.prot=/dev/ttyACM0",))))
    assert "robot options" not in found  # options of another robot are not tried
    found = found["robot profile"]
    assert "made for other_arm, not for fake_arm" in found.detail
    assert "--robot.type=other_arm" in found.remedy


def test_without_limits_the_robot_is_not_connected(robot):
    found = failures(examine(robot, replace(PROFILE, limited=False)))
    assert "acceleration_rad_s2" in found["safety limits"].remedy
    assert "not tried" in found["connection"].detail
    assert robot.log == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"states": (*PROFILE.states, "roll.pos")}, "no roll.pos"),
        ({"cameras": {"front": SHAPE}}, "no camera front"),
        ({"cameras": {"wrist": (12, 16, 3)}}, "camera wrist of 8x6 pixels instead of 16x12"),
    ],
)
def test_features_that_do_not_fit_the_profile(robot, change, words):
    found = failures(examine(robot, replace(PROFILE, **change)))["profile fits robot"]
    assert words in found.detail
    assert "pan.pos, lift.pos, gripper.pos, camera wrist" in found.remedy
    assert robot.log == []


def test_a_missing_calibration_file_and_a_present_one(robot, tmp_path):
    robot.calibrated = False
    robot.calibration_file = tmp_path / "left.json"
    found = failures(examine(robot, id="left"))["calibration"]
    assert "left.json does not exist" in found.detail
    assert "lerobot-calibrate --robot.type=fake_arm --robot.id=left" in found.remedy
    robot.calibration_file.write_text("{}")
    found = failures(examine(robot, id="left"))
    assert set(found) == {"connection"}  # the file is there, but the motors do not hold it
    assert "lerobot-calibrate" in found["connection"].remedy
    robot.calibrated = True
    assert not failures(examine(robot, id="left"))


def test_a_wrong_option_is_told_in_the_robot_s_words(robot):
    found = failures(examine(robot, options=("--robot.prot=/dev/ttyACM0",)))["robot options"]
    assert "--robot.prot" in found.detail
    assert "--robot.NAME" in found.remedy


def test_a_driver_that_is_not_installed(robot):
    found = failures(examine(robot, options=("--robot.port=/dev/undriven",)))["robot driver"]
    assert "some-servo-sdk" in found.detail
    assert "Install what is missing" in found.remedy


def test_options_of_the_command_line_win_over_the_profile(robot):
    clock = robot.camera.clock
    source = FakeSource(robot, replace(PROFILE, options=("--robot.port=/dev/a", "--robot.baud=1")))
    question = RobotQuestion("fake_arm", id="x", options=("--robot.port=/dev/b",), now=clock.now, sleep=clock.sleep)
    list(check_robot(question, source))
    assert source.built == [("--robot.baud=1", "--robot.id=x", "--robot.port=/dev/b")]


def test_an_unplugged_robot(robot):
    robot.unplugged = True
    found = failures(examine(robot))["connection"]
    assert "/dev/ttyACM0" in found.detail
    assert "lerobot-find-port" in found.remedy
    assert robot.log == ["connect", "disconnect"]


@pytest.mark.parametrize(
    ("fault", "detail", "remedy"),
    [
        ({"rate_hz": 0.0}, "frozen", "Plug it in again"),
        ({"level": 2}, "black", "lens cap"),
        ({"age_s": 0.5}, "stale: frames arrive 0.50 s old", "Lower the resolution"),
        ({"rate_hz": 5.0}, "slow: 5.0 new frames a second", "Raise the camera's fps"),
    ],
)
def test_camera_faults(robot, fault, detail, remedy):
    for name, value in fault.items():
        setattr(robot.camera, name, value)
    found = failures(examine(robot))["camera wrist"]
    assert detail in found.detail
    assert remedy in found.remedy
    assert robot.log == ["connect", "disconnect"]


def test_a_simulated_camera_stands_still_by_nature_but_must_not_be_black(robot):
    robot.simulated, robot.camera.rate_hz, robot.camera.age_s = True, 0.0, 0.5
    assert not failures(examine(robot))
    robot.camera.level = 2
    assert "black" in failures(examine(robot))["camera wrist"].detail


def test_a_driver_that_writes_every_picture_into_the_same_memory_is_not_frozen(robot):
    memory = robot.camera.look()[0]["wrist"]

    def look():
        images, captured_at_s = FakeCamera.look(robot.camera)
        memory[:] = images["wrist"]
        return {"wrist": memory}, captured_at_s

    robot.look = look
    assert not failures(examine(robot))


def test_a_robot_can_be_examined_without_connecting(robot):
    assert not failures(examine(robot, connect=False))
    assert robot.log == []


def test_an_arm_behind_the_project_s_own_contract_is_watched_like_any_other(clock):
    rng = np.random.default_rng(0)
    arm = robots.fake.FakeRobot(clock.now, draw=lambda joints: rng.integers(0, 255, (6, 8, 3), np.uint8))
    built = FrankaRobot(arm, PROFILE)
    question = RobotQuestion("fake_arm", now=clock.now, sleep=clock.sleep)
    findings = list(check_robot(question, FakeSource(built)))
    assert not failures(findings)
    assert findings[-1].name == "camera wrist"
    assert not arm.connected
    assert arm.sent == []
    arm.faults.black_camera = True
    assert "black" in failures(check_robot(question, FakeSource(built)))["camera wrist"].detail


def test_a_franka_profile_is_told_from_others():
    source = franka_source("franka_fr3")
    assert source is not None
    assert source.known_types() == {"fr3"}
    assert source.profile("").limited
    assert franka_source("so101_follower") is None
    assert franka_source("nowhere") is None


@pytest.mark.skipif(importlib.util.find_spec("franky") is not None, reason="franky is installed here")
def test_a_franka_without_its_driver_names_what_to_install(capsys):
    assert main(["doctor", "--robot.profile=franka_fr3", "--robot.port=172.16.0.2", "--port=0"]) == 1
    shown = capsys.readouterr().out
    assert "FAIL  robot driver" in shown
    assert "baton[franka]" in shown
