"""`baton serve`: the policy server in the foreground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from handoff import console
from handoff.commands.options import option_lines, parse_options
from handoff.config import VlaOptions


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Options of `baton serve`."""

    # Address to listen on; this machine only
    host: str = "127.0.0.1"
    # Port to listen on; 0 takes any free one
    port: int = 5656
    # How much to log: debug, info, warning or error
    log_level: str = "info"
    # The generalist
    vla: VlaOptions = field(default_factory=VlaOptions)


def help_lines(_command: str) -> list[str]:
    """The options of `ServeOptions`."""
    return option_lines(ServeOptions)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ServerError: The port is taken, or the policy failed to load.
    """
    import logging

    import draccus

    from robots.errors import UsageError
    from vla_bridge.serve import ServeConfig, serve

    options = parse_options(ServeOptions, arguments)
    levels = ("debug", "info", "warning", "error")
    if options.log_level not in levels:
        raise UsageError.unknown("log level", options.log_level, levels)
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    place = [f"--host={options.host}", f"--port={options.port}"]
    console.note(f"Serving {options.vla.label}; stop with Ctrl-C.")
    serve(draccus.parse(ServeConfig, args=[*options.vla.server_options(), *place]))
    return 0
