"""What must hold before a real arm may be driven: live cameras, and a posture inside the limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robots.errors import RobotError
from robots.real.link import Link, Reading, StalePictureError, driver_call
from robots.real.liveness import CameraWatch
from robots.real.profile import Profile
from robots.safety import SafetyLimits
from robots.types import Float

START_SLACK_RAD = 0.05
LIVE_TRIES, LIVE_PAUSE_S = 20, 0.05


def live_reading(profile: Profile, link: Link, watch: CameraWatch, sleep: Callable[[float], None]) -> Reading:
    """Read until every camera has shown two different pictures, with something on them; at most about a second.

    Raises:
        RobotError: A camera is black, frozen or silent.
        RobotDisconnectedError: The driver cannot be read.
    """
    watch.reset()
    faults = dict.fromkeys(profile.cameras, "gives no picture")
    for attempt in range(LIVE_TRIES):
        sleep(LIVE_PAUSE_S if attempt else 0.0)
        try:
            with driver_call(f"{profile.name} cannot be read"):
                reading = link.read()
        except StalePictureError as error:
            faults = {name: fault and f"is silent ({error})" for name, fault in faults.items()}
            continue
        faults = {name: fault and watch.first_look(name, reading.images[name]) for name, fault in faults.items()}
        if not any(faults.values()):
            return reading
    dead, fault = next((name, fault) for name, fault in faults.items() if fault)
    raise RobotError(f"{profile.name}: camera {dead!r} {fault}; check its cable, cover and device.")


def require_posture(profile: Profile, limits: SafetyLimits, joints_rad: Float) -> None:
    """Refuse an arm that stands outside its limits: the first command would have to leave its pose.

    Raises:
        RobotError: A joint is outside, or not finite; the message names it.
    """
    for joint, value, low, high in zip(profile.joints, joints_rad, limits.lower_rad, limits.upper_rad, strict=True):
        if not np.isfinite(value) or not low - START_SLACK_RAD <= value <= high + START_SLACK_RAD:
            raise RobotError(
                f"{profile.name}: joint {joint.name} stands at {value:.2f} rad, outside its limits {low:.2f} "
                f"to {high:.2f}; move it inside by hand, or correct the profile."
            )
