"""A real arm over a recording double: what reaches the bus, what does not, and what happens when something fails."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from robots.errors import ActionRejectedError, RobotDisconnectedError, RobotError, UsageError
from robots.types import Action, ActionSpace
from tests.robot_doubles import JOINTS, LerobotDouble, lerobot_arm, modelled, profile, profile_values

DT_S = 1 / 15
POSITION, VELOCITY = ActionSpace.JOINT_POSITION, ActionSpace.JOINT_VELOCITY
CARTESIAN = ActionSpace.CARTESIAN_VELOCITY


class Now:
    def __init__(self):
        self.s = 50.0

    def __call__(self):
        return self.s


@pytest.fixture
def now():
    return Now()


def step(arm, now, action=None):
    arm.get_observation()
    sent = arm.hold() if action is None else arm.send_action(action)
    now.s += DT_S
    return sent


def test_targets_reach_the_bus_in_the_drivers_units(now):
    arm, double = lerobot_arm(now)
    with arm:
        for _ in range(30):
            step(arm, now, Action(POSITION, np.full(5, 0.5), gripper=0.25))
    assert double.written[-1] == pytest.approx(
        {f"{name}.pos": np.degrees(-0.5 if name == "lift" else 0.5) for name in JOINTS} | {"gripper.pos": 75.0}
    )


def test_every_write_keeps_velocity_and_acceleration_limits(now):
    arm, double = lerobot_arm(now, speed=0.5)
    rng = np.random.default_rng(0)
    with arm:
        for _ in range(60):
            step(arm, now, Action(POSITION, rng.uniform(-9.0, 9.0, 5)))
    path = np.radians([[0.0] * 5, [0.0] * 5, *([write[f"{name}.pos"] for name in JOINTS] for write in double.written)])
    velocity = np.diff(path, axis=0) / DT_S
    assert np.abs(velocity).max() <= 0.5 * 1.5 + 1e-9
    assert np.abs(np.diff(velocity, axis=0)).max() <= 0.5 * 8.0 * DT_S + 1e-9
    assert np.abs(path).max() <= 1.5 + 1e-9
    assert arm.counters["clipped"] == 60


@pytest.mark.parametrize("values", [[np.nan] * 5, [0, 0, np.inf, 0, 0], [0.0] * 4, [[0.0] * 5]])
def test_bad_actions_are_counted_and_never_reach_the_bus(now, values):
    arm, double = lerobot_arm(now)
    with arm:
        for space in (POSITION, VELOCITY):
            with pytest.raises(ActionRejectedError):
                arm.send_action(Action(space, np.array(values)))
        with pytest.raises(ActionRejectedError):
            arm.send_action(Action(POSITION, np.zeros(5), gripper=np.nan))
    assert double.written == []
    assert arm.counters["rejected"] == 3


def test_without_a_model_there_is_no_cartesian_space_and_it_says_why(now):
    arm, _ = lerobot_arm(now)
    assert CARTESIAN not in arm.description.action_spaces
    with arm, pytest.raises(ActionRejectedError, match="without a `model:`"):
        arm.send_action(Action(CARTESIAN, np.zeros(6)))


def test_a_dry_run_reads_and_computes_but_writes_nothing(now):
    arm, double = lerobot_arm(now, dry_run=True)
    with arm:
        first = step(arm, now, Action(POSITION, np.full(5, 0.4), gripper=1.0))
        for _ in range(20):
            sent = step(arm, now, Action(POSITION, np.full(5, 0.4), gripper=1.0))
        arm.hold()
    assert double.connects == 1
    assert double.written == []
    assert 0.0 < first.values[0] < sent.values[0]
    assert arm.counters["suppressed"] == 22


def test_a_target_never_runs_far_ahead_of_a_blocked_arm(now):
    arm, _ = lerobot_arm(now, dry_run=True, known=profile(following_error_rad=0.2))
    with arm:
        for _ in range(60):
            step(arm, now, Action(VELOCITY, np.full(5, 1.0)))
        led = step(arm, now).values
    # One braking distance beyond the lead is what the acceleration limit needs.
    assert 0.15 < led.max() < 0.2 + 1.0**2 / 16


def test_what_the_driver_really_sent_is_returned_and_continued_from(now):
    double = LerobotDouble()
    double.most_deg = 5.0
    arm, _ = lerobot_arm(now, double)
    with arm:
        for _ in range(30):
            sent = step(arm, now, Action(POSITION, np.full(5, 1.0)))
    assert sent.values == pytest.approx(np.radians([5.0] * 5))


def test_no_limits_no_start(now):
    with pytest.raises(UsageError, match="no safety limits"):
        lerobot_arm(now, known=profile(limits=None))


@pytest.mark.parametrize("speed", [0.0, 1.5, float("nan")])
def test_a_speed_out_of_range_is_refused(now, speed):
    with pytest.raises(UsageError, match="speed"):
        lerobot_arm(now, speed=speed)


CAMERA = {"key": "front", "width_px": 64, "height_px": 48, "focal_px": 9.0}
FEATURES = {
    "joint": ({"joints": [{"name": "a", "key": "neck.pos"}], "home_rad": [0.0], "limits": None}, "has no neck.pos"),
    "unmapped": (
        {"joints": profile_values()["joints"][:4], "home_rad": [0.0] * 4, "limits": None},
        "also has roll.pos",
    ),
    "camera": (
        {"cameras": {"wrist": {"key": "hand", "width_px": 64, "height_px": 48, "focal_px": 9.0}}},
        "has no hand",
    ),
    "size": ({"cameras": {"wrist": {"key": "front", "width_px": 32, "height_px": 48, "focal_px": 9.0}}}, r"48, 64, 3"),
}


@pytest.mark.parametrize("name", FEATURES)
def test_features_that_do_not_match_are_refused_before_connecting(now, name):
    changes, words = FEATURES[name]
    if "limits" in changes:
        count = len(changes["home_rad"])
        limits = {key: value[:count] if len(value) == 5 else value for key, value in profile_values()["limits"].items()}
        changes = changes | {"limits": limits}
    arm, double = lerobot_arm(now, known=profile(**changes))
    with pytest.raises(UsageError, match=words):
        arm.connect()
    assert double.connects == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [("black", "is black"), ("frozen", "shows the same picture"), ("stale", "is silent.*612")],
)
def test_a_dead_camera_is_refused_when_connecting(now, fault, words):
    arm, double = lerobot_arm(now)
    setattr(double, fault, True)
    with pytest.raises(RobotError, match=f"'wrist' {words}"):
        arm.connect()
    assert not double.connected
    assert double.written == []


def test_an_arm_outside_its_limits_or_without_calibration_is_refused(now):
    arm, double = lerobot_arm(now)
    double.state["elbow.pos"] = 120.0
    with pytest.raises(RobotError, match=r"joint elbow stands at 2.09 rad"):
        arm.connect()
    double.state["elbow.pos"], double.calibrated = 0.0, False
    with pytest.raises(RobotError, match="not calibrated: run lerobot-calibrate"):
        arm.connect()
    assert not double.connected


@pytest.mark.parametrize("fault", ["frozen", "black", "stale"])
def test_a_camera_fault_stops_the_capture_ids_is_counted_once_and_passes(now, fault):
    arm, double = lerobot_arm(now)
    with arm:
        step(arm, now)
        before = arm.get_observation()
        setattr(double, fault, True)
        for _ in range(10):
            step(arm, now)
            assert arm.get_observation() is before
        assert arm.counters[fault] == 1
        assert arm.camera_faults == {"wrist": fault}
        setattr(double, fault, False)
        step(arm, now)
        assert arm.get_observation().capture_id > before.capture_id
        assert arm.camera_faults == {"wrist": ""}


def test_a_reused_picture_buffer_is_not_taken_for_a_frozen_camera(now):
    arm, double = lerobot_arm(now)
    buffer, fresh = np.zeros((48, 64, 3), np.uint8), double.get_observation

    def reusing():
        values = fresh()
        buffer[:] = values["front"]
        return values | {"front": buffer}

    double.get_observation = reusing
    with arm:
        observations = [arm.get_observation() for _ in range(4)]
    assert len({observation.capture_id for observation in observations}) == 4
    assert len({observation.images["wrist"].tobytes() for observation in observations}) == 4


def test_loss_is_latched_and_a_new_connection_starts_from_the_pose_found(now, caplog):
    caplog.set_level(logging.CRITICAL)
    arm, double = lerobot_arm(now)
    arm.connect()
    for _ in range(5):
        step(arm, now, Action(POSITION, np.full(5, 1.0)))
    double.unplugged = True
    with pytest.raises(RobotDisconnectedError, match=r"lost while reading.*no status packet"):
        arm.get_observation()
    double.unplugged, written = False, len(double.written)
    for call in (arm.get_observation, arm.hold, lambda: arm.send_action(Action(POSITION, np.zeros(5)))):
        with pytest.raises(RobotDisconnectedError):
            call()
    double.state["pan.pos"] = 30.0
    arm.connect()
    assert len(double.written) == written
    assert step(arm, now).values[0] == pytest.approx(np.radians(30.0))


def test_a_loss_while_writing_is_a_loss(now):
    arm, double = lerobot_arm(now)
    arm.connect()
    double.unplugged = True
    with pytest.raises(RobotDisconnectedError, match="lost while writing"):
        arm.hold()
    arm.disconnect()


def test_joint_values_that_are_not_finite_are_a_loss(now):
    arm, double = lerobot_arm(now)
    arm.connect()
    double.state["pan.pos"] = float("nan")
    with pytest.raises(RobotDisconnectedError, match="not finite"):
        arm.get_observation()


def test_hold_keeps_the_grippers_last_target(now):
    arm, double = lerobot_arm(now)
    with arm:
        step(arm, now, Action(POSITION, np.zeros(5), gripper=1.0))
        double.state["gripper.pos"] = 40.0  # stopped by an object
        step(arm, now)
    assert double.written[-1]["gripper.pos"] == 0.0


def test_a_twist_moves_the_gripper_point_along_it(now, tmp_path):
    arm, _ = lerobot_arm(now, known=modelled(tmp_path))
    with arm:
        for _ in range(20):
            step(arm, now, Action(POSITION, np.array([0.0, -0.3, 0.5, 0.4, 0.0])))
        start = arm.get_observation().gripper_to_world[:3, 3]
        for _ in range(20):
            step(arm, now, Action(CARTESIAN, np.array([0.0, 0.0, 0.05, 0, 0, 0])))
        moved = arm.get_observation().gripper_to_world[:3, 3] - start
    assert moved[2] > 0.02
    assert np.abs(moved[:2]).max() < 0.5 * moved[2]


@pytest.mark.parametrize("space", [CARTESIAN, VELOCITY, POSITION])
def test_no_space_leaves_the_workspace(now, tmp_path, space):
    limits = profile_values()["limits"] | {"workspace_min_m": [0.1, -0.5, 0.1], "workspace_max_m": [0.5, 0.1, 0.5]}
    arm, _ = lerobot_arm(now, known=modelled(tmp_path, limits=limits))
    action = {
        CARTESIAN: Action(CARTESIAN, np.array([0.0, 0.3, 0, 0, 0, 0])),
        VELOCITY: Action(VELOCITY, np.array([1.0, 0, 0, 0, 0])),
        POSITION: Action(POSITION, np.array([1.2, 0, 0, 0, 0])),
    }[space]
    highest = -1.0
    with arm:
        for _ in range(60):
            step(arm, now, action)
            highest = max(highest, arm.get_observation().gripper_to_world[1, 3])
    assert 0.04 < highest <= 0.1 + 1e-3


def test_the_wrist_camera_moves_with_the_gripper(now, tmp_path):
    arm, _ = lerobot_arm(now, known=modelled(tmp_path))
    with arm:
        observation = arm.get_observation()
        assert np.allclose(observation.camera_to_world["wrist"], observation.gripper_to_world)
        assert observation.gripper_to_world[:3, 2] == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)


def test_a_model_without_the_named_parts_is_refused(tmp_path):
    known = modelled(tmp_path)
    joints = ("pan", "lift", "elbo", "flex", "roll")
    with pytest.raises(UsageError, match="Did you mean 'elbow'"):
        lerobot_arm(Now(), known=replace(known, model=replace(known.model, joints=joints)))
    with pytest.raises(UsageError, match="no file"):
        lerobot_arm(Now(), known=replace(known, model=replace(known.model, file=str(tmp_path / "none.xml"))))
