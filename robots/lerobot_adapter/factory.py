"""From a profile to a LeRobot robot: types, plug-ins, configuration. LeRobot is imported here, inside the functions."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import pkgutil
from collections.abc import Callable
from typing import Any

from robots.errors import UsageError
from robots.lerobot_adapter.link import LerobotLink, LerobotRobot
from robots.real.arm import RealArm
from robots.real.link import one_line
from robots.real.profile import Profile

logger = logging.getLogger(__name__)


def robot_types() -> list[str]:
    """Return every robot type that LeRobot and its installed plug-ins (`lerobot_robot_*`) register."""
    import lerobot.cameras
    import lerobot.robots
    from lerobot.utils.import_utils import register_third_party_plugins

    for package in (lerobot.robots, lerobot.cameras):
        _import_parts(package)
    register_third_party_plugins()
    return sorted(lerobot.robots.RobotConfig.get_known_choices())


def lerobot_arm(
    profile: Profile,
    now: Callable[[], float],
    *,
    port: str = "",
    robot_id: str = "",
    dry_run: bool = False,
    speed: float = 1.0,
) -> RealArm:
    """Return the arm of a profile, its features checked, not connected.

    Args:
        profile: The arm; its `type` is LeRobot's registered type.
        now: The loop's clock [s].
        port: LeRobot's `port` option; the profile's own when empty.
        robot_id: LeRobot's `id`, which names the calibration file.
        dry_run: Read, but write nothing.
        speed: See `RealArm`.

    Raises:
        UsageError: The type or an option is unknown, limits are missing, or features differ from the profile.
    """
    profile.require_limits()
    robot = make_robot(profile, port=port, robot_id=robot_id)
    arm = RealArm(profile, LerobotLink(profile, robot), now, dry_run=dry_run, speed=speed)
    arm.check()
    return arm


def make_robot(profile: Profile, *, port: str = "", robot_id: str = "") -> LerobotRobot:
    """Return LeRobot's own robot for a profile, not connected.

    Raises:
        UsageError: LeRobot does not know the type, or refuses an option.
    """
    known = robot_types()
    if profile.type not in known:
        raise UsageError.unknown("lerobot robot type", profile.type, known, where=profile.name)
    from lerobot.robots import RobotConfig, make_robot_from_config

    kind = RobotConfig.get_choice_class(profile.type)
    config = _decoded(kind, _options(profile, port=port, robot_id=robot_id), profile)
    try:
        robot: LerobotRobot = make_robot_from_config(config)
    except ImportError as error:
        raise UsageError(f"{profile.name}: {one_line(error)}") from error
    except ValueError as error:
        raise UsageError(f"{profile.name}: LeRobot cannot build {profile.type}: {one_line(error)}") from error
    return robot


def _options(profile: Profile, *, port: str, robot_id: str) -> dict[str, Any]:
    options = {**profile.options, **({"port": port} if port else {}), **({"id": robot_id} if robot_id else {})}
    cameras = {
        camera.key: {"width": camera.width_px, "height": camera.height_px, **camera.device}
        for camera in profile.cameras.values()
        if camera.device
    }
    return {**options, "cameras": cameras} if cameras else options


def _decoded(kind: type[Any], options: dict[str, Any], profile: Profile) -> Any:  # noqa: ANN401 - LeRobot's own class

    import draccus
    from draccus.utils import DraccusException

    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in options:
        if name not in fields:
            raise UsageError.unknown(f"option of {profile.type}", name, fields, where=profile.name)
    if "port" in fields and _required(fields["port"]) and "port" not in options:
        raise UsageError(f"{profile.name} needs its port: give --robot.port; lerobot-find-port finds it.")
    try:
        return draccus.decode(kind, options)
    except (DraccusException, TypeError, ValueError) as error:
        raise UsageError(f"{profile.name}: LeRobot refuses the options of {profile.type}: {one_line(error)}") from error


def _required(field: Any) -> bool:  # noqa: ANN401 - `dataclasses.Field` of anything

    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _import_parts(package: Any) -> None:  # noqa: ANN401 - a module
    """Import a package's parts, so that they register their types; a part whose own driver is missing is left out."""
    for part in pkgutil.iter_modules(package.__path__):
        if part.ispkg:
            try:
                importlib.import_module(f"{package.__name__}.{part.name}")
            except ImportError as error:
                logger.debug("%s is not available: %s", part.name, error)
