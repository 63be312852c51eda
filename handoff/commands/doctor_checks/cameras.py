"""Are the cameras alive? Watched for a moment, without moving anything: new frames, their rate, age and light."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handoff.commands.doctor_checks.finding import Finding
from robots.types import Image

BLACK_LEVEL = 12  # of 255: a covered lens shows noise up to here
MIN_RATE_SHARE = 0.7  # of the control rate
PERIOD_S = 0.01

type Look = Callable[[], tuple[Mapping[str, Image], float]]  # newest images by camera, and when they were captured [s]


@dataclass(frozen=True, slots=True)
class CameraReading:
    """What one camera did while it was watched.

    Attributes:
        name: The camera.
        rate_hz: New frames per second.
        brightest: 99th percentile of the brightness of the last frame, 0 to 255.
        age_s: Age of the oldest frame when it was handed over [s].
    """

    name: str
    rate_hz: float
    brightest: float
    age_s: float


def watch_cameras(
    look: Look,
    *,
    watch_s: float,
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> list[CameraReading]:
    """Look at every camera for `watch_s` [s]. A frame is new when its pixels differ from the last one's.

    Args:
        look: Returns the newest images, and their capture time on the clock `now`.
        watch_s: How long.
        now: Clock [s].
        sleep: Passes time on that clock.
    """
    began_s = now()
    last, captured_at_s = _kept(look)
    age_s = now() - captured_at_s
    changes = dict.fromkeys(last, 0)
    while now() - began_s < watch_s:
        sleep(PERIOD_S)
        seen, captured_at_s = _kept(look)
        age_s = max(age_s, now() - captured_at_s)
        for name in changes:
            changes[name] += int(not np.array_equal(seen[name], last[name]))
        last = seen
    passed_s = max(now() - began_s, PERIOD_S)
    return [
        CameraReading(name, changes[name] / passed_s, float(np.percentile(image, 99)), age_s)
        for name, image in last.items()
    ]


def check_cameras(readings: Sequence[CameraReading], *, control_hz: float, max_age_s: float) -> list[Finding]:
    """Return one finding per camera: frozen, black, stale, too slow, or alive with its measured rate.

    Args:
        readings: Of `watch_cameras`.
        control_hz: Rate at which the control loop wants new frames [Hz]; 0 where none come by themselves.
        max_age_s: A frame older than this is stale [s].
    """
    if not readings:
        return [Finding("cameras", "the robot has none", "Add one to the robot's options: --robot.cameras")]
    return [_check(reading, control_hz, max_age_s) for reading in readings]


def _kept(look: Look) -> tuple[dict[str, Image], float]:
    """Copy the pictures: a driver may write the next ones into the same memory."""
    images, captured_at_s = look()
    return {name: image.copy() for name, image in images.items()}, captured_at_s


def _check(reading: CameraReading, control_hz: float, max_age_s: float) -> Finding:
    name = f"camera {reading.name}"
    if reading.brightest <= BLACK_LEVEL:
        level = f"black: 99 % of the pixels at or below {reading.brightest:.0f} of 255"
        return Finding(name, level, "Take off the lens cap, switch on the light, or give another camera index.")
    if control_hz == 0.0:
        return Finding(name, "alive; simulated, so that its rate is that of the actions")
    if reading.rate_hz == 0.0:
        return Finding(name, "frozen: no new frame came", "Plug it in again, and close other programs that use it.")
    if reading.age_s > max_age_s:
        age = f"stale: frames arrive {reading.age_s:.2f} s old, at most {max_age_s:g} s is usable"
        return Finding(name, age, "Lower the resolution, use another USB port, or read the camera in its own thread.")
    if reading.rate_hz < MIN_RATE_SHARE * control_hz:
        rate = f"slow: {reading.rate_hz:.1f} new frames a second, the control loop runs at {control_hz:g} Hz"
        return Finding(name, rate, "Raise the camera's fps, lower its resolution, or give it more light.")
    return Finding(name, f"{reading.rate_hz:.1f} new frames a second, at most {1e3 * reading.age_s:.0f} ms old")
