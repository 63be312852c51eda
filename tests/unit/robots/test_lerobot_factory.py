"""From a profile to a LeRobot robot: types, options, cameras and missing drivers, each mistake one sentence."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from robots.errors import UsageError
from robots.franka_adapter.rig import CameraRig, make_rig
from robots.lerobot_adapter import lerobot_arm, robot_types
from robots.lerobot_adapter.factory import make_robot
from robots.lerobot_adapter.link import LerobotLink
from robots.real.link import StalePictureError
from robots.real.profile import load_profile
from tests.robot_doubles import CameraDouble, LerobotDouble, franka_profile, profile, profile_values


def now():
    return 0.0


def test_the_arms_that_users_have_are_registered():
    assert {"so100_follower", "so101_follower", "koch_follower", "baton_double"} <= set(robot_types())


def test_a_registered_type_becomes_an_arm():
    arm = lerobot_arm(profile(), now, port="here", robot_id="left")
    assert arm.description.name == "double"
    robot = make_robot(profile(), port="here", robot_id="left")
    assert (robot.config.port, robot.id) == ("here", "left")


def camera(**device):
    return {"wrist": profile_values()["cameras"]["wrist"] | {"device": device}}


def port_free(**changes):
    return profile(type="so101_follower", **changes)


BAD = {
    "type": (lambda: profile(type="baton_doubel"), "Did you mean 'baton_double'"),
    "option": (lambda: profile(options={"prot": "x"}), "Unknown option of baton_double 'prot'.*Did you mean 'port'"),
    "port": (port_free, "needs its port: give --robot.port"),
    "value": (lambda: port_free(options={"port": "x", "use_degrees": [1]}), "LeRobot refuses the options"),
    "camera type": (lambda: port_free(options={"port": "x"}, cameras=camera(type="opncv")), "LeRobot refuses"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_one_sentence(name):
    build, words = BAD[name]
    with pytest.raises(UsageError, match=words) as caught:
        make_robot(build())
    assert "\n" not in str(caught.value)


def test_a_missing_motor_driver_says_what_to_install():
    if importlib.util.find_spec("scservo_sdk"):
        pytest.skip("the motor driver is installed")
    with pytest.raises(UsageError, match=r"pip install 'lerobot\[feetech\]'"):
        make_robot(load_profile(Path("so101_follower")), port="/dev/ttyACM0")


def test_a_picture_older_than_its_limit_is_stale_and_a_younger_one_tells_its_age():
    double = LerobotDouble()
    double.cameras = {"front": CameraDouble()}
    double.cameras["front"].latest_timestamp = 9.9
    double.connect()
    assert LerobotLink(profile(), double, clock=lambda: 10.0).read().age_s == pytest.approx(0.1)
    with pytest.raises(StalePictureError, match=r"'front': the picture is 0\.40 s old"):
        LerobotLink(profile(), double, clock=lambda: 10.3).read()


def test_a_rig_opens_reads_and_closes_its_cameras():
    cameras = {"wrist": CameraDouble(), "side": CameraDouble()}
    rig = CameraRig(cameras, clock=lambda: 3.0)
    rig.open()
    images, age_s = rig.read()
    assert set(images) == {"wrist", "side"}
    assert age_s == 0.0
    assert not np.array_equal(images["wrist"], rig.read()[0]["wrist"])
    cameras["side"].latest_timestamp = 2.5
    with pytest.raises(StalePictureError, match=r"0\.50 s old"):
        rig.read()
    rig.close()
    assert not any(camera.connected for camera in cameras.values())


def test_cameras_of_a_franka_arm_come_from_lerobot():
    wrist = {"key": "w", "width_px": 64, "height_px": 48, "focal_px": 50.0}
    assert isinstance(make_rig(franka_profile()), CameraRig)
    with pytest.raises(UsageError, match="needs a device"):
        make_rig(franka_profile(cameras={"wrist": wrist}))
    with pytest.raises(UsageError, match="Did you mean 'opencv'"):
        make_rig(franka_profile(cameras={"wrist": wrist | {"device": {"type": "opencvv"}}}))
    with pytest.raises(UsageError, match="camera 'wrist'"):
        make_rig(franka_profile(cameras={"wrist": wrist | {"device": {"type": "opencv", "fsp": 30}}}))
