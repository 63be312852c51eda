"""A LeRobot robot whose cable is not plugged in, registered as plug-ins are."""

from __future__ import annotations

from dataclasses import dataclass

from lerobot.robots import Robot, RobotConfig
from lerobot.utils.errors import DeviceNotConnectedError

NAMES = ("pan.pos", "gripper.pos")


@RobotConfig.register_subclass("unplugged_arm")
@dataclass(kw_only=True)
class UnpluggedArmConfig(RobotConfig):
    """Options of the arm."""

    port: str


class UnpluggedArm(Robot):
    """Knows its features, and nothing else without its cable."""

    config_class = UnpluggedArmConfig
    name = "unplugged_arm"

    def __init__(self, config: UnpluggedArmConfig) -> None:
        super().__init__(config)
        self.config = config

    observation_features = property(lambda self: {**dict.fromkeys(NAMES, float), "wrist": (6, 8, 3)})
    action_features = property(lambda self: dict.fromkeys(NAMES, float))
    is_connected = property(lambda self: False)

    @property
    def is_calibrated(self) -> bool:
        raise DeviceNotConnectedError("the bus is not connected")

    def connect(self, calibrate: bool = True) -> None:
        raise ConnectionError(f"Could not connect on port '{self.config.port}'.")

    def calibrate(self) -> None: ...

    def configure(self) -> None: ...

    def get_observation(self):
        raise DeviceNotConnectedError("the bus is not connected")

    def send_action(self, action):
        raise AssertionError("the doctor must never send an action")

    def disconnect(self) -> None:
        raise DeviceNotConnectedError("the bus is not connected")
