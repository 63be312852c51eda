"""Is the installation whole? Python, packages, graphics, messaging, the port, and the disk."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from handoff.commands.doctor_checks.finding import Finding
from robots.errors import GraphicsError

INSTALL = "Install again: pip install --force-reinstall baton"
NEEDED_BYTES = 2 * 2**30  # a run of 100 layouts with videos stays below
GIB = 2**30


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Python is new enough."""
    remedy = "" if version >= (3, 12) else "Use Python 3.12 or newer."
    return Finding("Python", ".".join(map(str, version)), remedy)


def check_packages(version_of: Callable[[str], str] = importlib.metadata.version) -> Finding:
    """Every required package is installed in its range."""
    from packaging.requirements import Requirement

    wrong, count = [], 0
    for requirement in map(Requirement, importlib.metadata.requires("baton") or []):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            version = version_of(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
    return Finding("packages", ", ".join(wrong) or f"{count} within their ranges", INSTALL if wrong else "")


def check_graphics() -> Finding:
    """Cameras can be rendered off screen."""
    from robots import graphics

    try:
        return Finding("graphics", f"off-screen rendering with {graphics.check_graphics()}")
    except GraphicsError as error:
        return Finding("graphics", str(error).removesuffix(graphics.REMEDY).strip(), graphics.REMEDY)


def check_messaging() -> Finding:
    """The message library is new enough."""
    import zmq

    fine = zmq.zmq_version_info() >= (4, 3, 5)
    return Finding(
        "messaging", f"libzmq {zmq.zmq_version()}", "" if fine else "libzmq 4.3.5 or newer: pip install -U pyzmq"
    )


def check_port(port: int) -> Finding:
    """The policy server can listen on a port of this machine.

    Raises:
        UsageError: There is no such port.
    """
    from vla_bridge.endpoints import tcp_endpoint

    tcp_endpoint("127.0.0.1", port)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding("port", f"{port}: {error.strerror}", "Give another one: baton serve --port N")
    return Finding("port", f"{port} is free")


def check_disk(out: Path, free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free) -> Finding:
    """Run folders can be made in or below `out`, which need not exist yet, and there is room for them."""
    folder = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not folder.is_dir():
        return Finding("run folder", f"{folder} is a file", "Name another folder with --out.")
    if not os.access(folder, os.W_OK):
        return Finding("run folder", f"{folder} cannot be written to", "Run elsewhere, or name a folder with --out.")
    free = free_bytes(folder)
    if free < NEEDED_BYTES:
        remedy = f"Free {NEEDED_BYTES / GIB:.0f} GiB, or name a folder on another disk with --out."
        return Finding("run folder", f"{free / GIB:.1f} GiB free for {out.absolute()}", remedy)
    return Finding("run folder", f"{out.absolute()} can be written to, {free / GIB:.0f} GiB free")
