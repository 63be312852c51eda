"""From a profile to a Franka arm; franky is imported here, inside the function."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from robots.errors import UsageError
from robots.franka_adapter.link import FrankyLink
from robots.franka_adapter.rig import make_rig
from robots.real.arm import RealArm
from robots.real.profile import Profile


def franka_arm(
    profile: Profile, now: Callable[[], float], *, host: str, dry_run: bool = False, speed: float = 1.0
) -> RealArm:
    """Return the arm, not connected.

    Args:
        profile: The arm, with `driver: franka`.
        now: The loop's clock [s].
        host: The robot's address.
        dry_run: Read, but move nothing.
        speed: See `RealArm`.

    Raises:
        UsageError: franky is not installed, the address is missing, or the profile does not fit.
    """
    profile.require_limits()
    if not host:
        raise UsageError(f"{profile.name} needs the robot's address: give it with --robot.port, as in 172.16.0.2.")
    try:
        api = importlib.import_module("franky")
    except ImportError as error:
        raise UsageError("A Franka arm needs franky: pip install 'baton[franka]'.") from error
    arm = RealArm(profile, FrankyLink(profile, host, api, make_rig(profile)), now, dry_run=dry_run, speed=speed)
    arm.check()
    return arm
