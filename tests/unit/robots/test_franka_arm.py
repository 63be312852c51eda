"""The Franka adapter over a double of franky, whose signatures are compared with franky where that is installed."""

import importlib.util
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest

from robots.errors import RobotDisconnectedError, RobotError, UsageError
from robots.franka_adapter import franka_arm as open_franka
from robots.franka_adapter.link import HOLD_MS
from robots.types import Action, ActionSpace
from tests.robot_doubles import FrankyDouble, franka_arm, franka_profile

DT_S = 1 / 15
POSITION = ActionSpace.JOINT_POSITION


class Now:
    def __init__(self):
        self.s = 5.0

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


def test_a_target_becomes_a_velocity_that_ends_by_itself(now):
    arm, api = franka_arm(now)
    with arm:
        goal = np.array(arm.profile.home_rad) + 0.1
        for _ in range(20):
            step(arm, now, Action(POSITION, goal))
    first = api.moves[0]
    assert first[0].hold_target_duration == HOLD_MS
    assert np.all(first[1].target == 0.0)
    assert api.q == pytest.approx(goal, abs=0.01)
    assert all(np.abs(motion[0].target).max() <= 1.7 for motion in api.moves if motion)


def test_at_rest_the_arm_is_stopped_once_and_then_left_to_itself(now):
    arm, api = franka_arm(now)
    with arm:
        for _ in range(5):
            step(arm, now, Action(ActionSpace.JOINT_VELOCITY, np.full(7, 0.2)))
        for _ in range(20):
            step(arm, now)
        moves = len(api.moves)
        for _ in range(5):
            step(arm, now)
        assert len(api.moves) == moves
        assert api.moves[-1] == []
    assert api.stops == 1


def test_a_dry_run_starts_no_motion(now):
    arm, api = franka_arm(now, dry_run=True)
    with arm:
        step(arm, now, Action(POSITION, np.array(arm.profile.home_rad) + 0.3, gripper=1.0))
    assert api.moves == api.hand_calls == []


def test_the_hand_closes_and_opens_with_hysteresis(now):
    arm, api = franka_arm(now)
    with arm:
        for wish in (0.1, 0.5, 0.7, 0.9, 0.5, 0.3, 0.0):
            step(arm, now, Action(POSITION, np.array(arm.profile.home_rad), gripper=wish))
    assert api.hand_calls == [("grasp", 0.0, 0.1, 20.0), ("move", 0.08, 0.1)]


def test_an_arm_in_error_is_refused_and_an_error_on_the_way_is_a_loss(now):
    api = FrankyDouble()
    api.errors = True
    arm, _ = franka_arm(now, api)
    with pytest.raises(RobotError, match="clear it in Desk first"):
        arm.connect()
    api.errors = False
    arm.connect()
    api.errors = True
    with pytest.raises(RobotDisconnectedError, match="reports an error and stopped"):
        arm.get_observation()
    with pytest.raises(RobotDisconnectedError):
        arm.hold()


def test_a_lost_network_is_a_loss(now):
    arm, api = franka_arm(now)
    arm.connect()
    api.unplugged = True
    with pytest.raises(RobotDisconnectedError, match="UDP receive"):
        arm.get_observation()


BAD = {
    "joints": ({"joints": [{"name": "a", "key": "q0"}], "home_rad": [0.0], "limits": None}, "7 joints in rad"),
    "option": ({"options": {"gripper_sped_m_s": 0.1}}, "Did you mean 'gripper_speed_m_s'"),
    "realtime": ({"options": {"realtime": "maybe"}}, "Unknown realtime 'maybe'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_profile_that_does_not_fit_is_refused(now, name):
    changes, words = BAD[name]
    if "joints" in changes:
        limits = {key: [low] for key, low in (("lower_rad", -1.0), ("upper_rad", 1.0))}
        limits |= {"velocity_rad_s": [1.0], "acceleration_rad_s2": [1.0]}
        changes = changes | {"limits": limits | {"workspace_min_m": [0.0] * 3, "workspace_max_m": [1.0] * 3}}
    arm, _ = franka_arm(now, known=franka_profile(**changes))
    with pytest.raises(UsageError, match=words):
        arm.check()


def test_without_franky_the_message_says_what_to_install(now):
    if importlib.util.find_spec("franky"):
        pytest.skip("franky is installed")
    with pytest.raises(UsageError, match=r"pip install 'baton\[franka\]'"):
        open_franka(franka_profile(), now, host="172.16.0.2")
    with pytest.raises(UsageError, match=r"address.*--robot.port"):
        open_franka(franka_profile(), now, host="")


def test_neither_adapter_imports_its_driver_early():
    code = "import sys, robots.franka_adapter, robots.lerobot_adapter, handoff.commands.run; "
    code += "print(sorted({'franky', 'lerobot', 'torch', 'mujoco'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def documented(function):
    """Parameter names of a pybind11 function, from the first signature of its docstring."""
    signature = re.search(r"\((.*)\)", (function.__doc__ or "").split("\n\n")[0].replace("Overloaded function.", ""))
    return re.findall(r"(?:^|, )(\w+):", signature.group(1)) if signature else []


CONSTRUCTORS = ("Robot", "Gripper", "JointVelocityWaypoint", "JointVelocityWaypointMotion", "JointVelocityStopMotion")


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_the_doubles_constructors_have_frankys_parameters(name):
    franky = pytest.importorskip("franky", exc_type=ImportError)
    mine = [p for p in inspect.signature(getattr(FrankyDouble, name)).parameters if p != "self"]
    theirs = documented(getattr(franky, name).__init__)
    assert set(mine) <= set(theirs)
    if name != "Robot":
        assert mine == [p for p in theirs if p != "self"]


def test_the_doubles_methods_have_frankys_parameters():
    franky = pytest.importorskip("franky", exc_type=ImportError)
    for mine, theirs in ((FrankyDouble.robot_class, franky.Robot), (FrankyDouble.gripper_class, franky.Gripper)):
        for name in [name for name in vars(mine) if not name.startswith("_")]:
            assert hasattr(theirs, name)
    for name in ("grasp_async", "move_async"):
        mine = list(inspect.signature(getattr(FrankyDouble.gripper_class, name)).parameters)
        assert mine == documented(getattr(franky.Gripper, name))
    parameters = list(inspect.signature(FrankyDouble.robot_class.move).parameters)[2:]
    for parameter in parameters:
        assert f"{parameter}: " in franky.Robot.move.__doc__
    assert hasattr(franky.JointState, "position")
    assert hasattr(franky.JointState, "velocity")
    assert isinstance(inspect.getattr_static(franky.Gripper, "width"), property)
    assert franky.Duration(HOLD_MS).to_msec() == HOLD_MS
    assert franky.RealtimeConfig.Enforce != franky.RealtimeConfig.Ignore
