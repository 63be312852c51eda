"""The table that `baton run` prints before anything moves: arm, limits, cameras, region, detector, generalist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from handoff import console
from robots.real.arm import RealArm

if TYPE_CHECKING:
    from handoff.commands.field import Field
    from handoff.commands.run import RunOptions


def preflight_lines(options: RunOptions, field: Field) -> list[str]:
    """Return the table, line by line."""
    description, region = field.robot.description, field.region
    rows = [
        ("robot", f"{description.name} ({options.robot.type}), {description.control_hz:g} Hz"),
        ("mode", _mode(options)),
        ("accepts", ", ".join(description.action_spaces)),
        *((f"camera {name}", _camera(field, name)) for name in description.cameras),
        ("region", f"{len(region.compartments)} compartments: {', '.join(c.name for c in region.compartments)}"),
        ("target", f"{field.task.target}, {field.task.instruction!r}"),
        ("detector", options.detector or "shipped colour and shape"),
        ("search", options.method),
        ("generalist", "none: the run ends when the target is found" if options.search_only else options.vla.label),
        ("at most", f"{options.seconds:g} s"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name.ljust(width)}  {value}" for name, value in rows]
    return [*lines, "", *_limit_lines(field.robot)] if isinstance(field.robot, RealArm) else lines


def _mode(options: RunOptions) -> str:
    if options.simulated:
        return "simulation in wall-clock time"
    share = f"{options.chosen_speed:g} of the velocity and acceleration limits"
    return f"dry run: nothing is written; targets at {share}" if options.dry_run else f"MOVES THE ARM at {share}"


def _camera(field: Field, name: str) -> str:
    camera = field.robot.description.cameras[name]
    live = ", live" if isinstance(field.robot, RealArm) else ""
    return f"{camera.width_px}x{camera.height_px}, focal length {camera.focal_px:.0f} px{live}"


def _limit_lines(arm: RealArm) -> list[str]:
    limits, now = arm.limits, arm.get_observation().joint_positions_rad
    numbers = np.column_stack(
        [now, limits.lower_rad, limits.upper_rad, limits.velocity_rad_s, limits.acceleration_rad_s2]
    )
    rows = [
        [name, *(f"{value:.2f}" for value in row)]
        for name, row in zip(arm.description.joint_names, numbers, strict=True)
    ]
    corners = f"{list(limits.workspace_min_m)} to {list(limits.workspace_max_m)} m"
    kept = corners if arm.profile.model is not None else "NOT CHECKED: the profile has no `model:`"
    header = ("joint", "now [rad]", "lower", "upper", "[rad/s]", "[rad/s^2]")
    return [*console.table(header, rows), f"workspace  {kept}"]
