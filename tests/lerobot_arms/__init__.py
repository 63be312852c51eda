"""A LeRobot plug-in: LeRobot looks for the class in the package above the configuration's module."""

from tests.lerobot_arms.arm import UnpluggedArm, UnpluggedArmConfig

__all__ = ["UnpluggedArm", "UnpluggedArmConfig"]
