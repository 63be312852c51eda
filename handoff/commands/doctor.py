"""`baton doctor`: is everything there that a run needs? One line per check, each failure with its remedy."""

from __future__ import annotations

import importlib.metadata
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from handoff import console
from handoff.commands.options import option_lines, parse_options
from robots.errors import BatonError, GraphicsError

PASSED, FAILED = 0, 1
INSTALL = "Install again: pip install --force-reinstall baton"


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """Options of `baton doctor`."""

    # Port that the policy server is to listen on
    port: int = 5656


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was checked.
        detail: What was found.
        remedy: What to do about it; empty when all is well.
    """

    name: str
    detail: str
    remedy: str = ""


def help_lines(_command: str) -> list[str]:
    """The options of `DoctorOptions`."""
    return option_lines(DoctorOptions)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Print every finding; exit code 1 when one of them needs a remedy."""
    options = parse_options(DoctorOptions, arguments)
    findings = [check() for check in _checks(options)]
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        console.line(f"{'FAIL' if finding.remedy else 'ok  '}  {finding.name.ljust(width)}  {finding.detail}")
        if finding.remedy:
            console.line(f"      {' ' * width}  {finding.remedy}")
    failures = sum(bool(finding.remedy) for finding in findings)
    console.line(f"{len(findings) - failures} of {len(findings)} checks passed.")
    return FAILED if failures else PASSED


def _checks(options: DoctorOptions) -> list[Callable[[], Finding]]:
    return [
        _python,
        _packages,
        _graphics,
        _messaging,
        _detector,
        _search_policy,
        lambda: _port(options.port),
        _writable,
    ]


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    remedy = "" if sys.version_info >= (3, 12) else "Use Python 3.12 or newer."
    return Finding("Python", found, remedy)


def _packages() -> Finding:
    from packaging.requirements import Requirement

    wrong, count = [], 0
    for requirement in map(Requirement, importlib.metadata.requires("baton") or []):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
    return Finding("packages", ", ".join(wrong) or f"{count} within their ranges", INSTALL if wrong else "")


def _graphics() -> Finding:
    from robots.graphics import REMEDY, check_graphics

    try:
        return Finding("graphics", f"off-screen rendering with {check_graphics()}")
    except GraphicsError as error:
        return Finding("graphics", str(error).removesuffix(REMEDY).strip(), REMEDY)


def _messaging() -> Finding:
    import zmq

    fine = zmq.zmq_version_info() >= (4, 3, 5)
    return Finding(
        "messaging", f"libzmq {zmq.zmq_version()}", "" if fine else "libzmq 4.3.5 or newer: pip install -U pyzmq"
    )


def _detector() -> Finding:
    from handoff.detectors.color_shape import WEIGHTS, load_model

    names = sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))
    if not names:
        return Finding("detector weights", "none found", INSTALL)
    try:
        for name in names:
            load_model(WEIGHTS / f"{name}.safetensors")
    except BatonError as error:
        return Finding("detector weights", str(error), INSTALL)
    return Finding("detector weights", f"hashes match: {', '.join(names)}")


def _search_policy() -> Finding:
    from handoff.config import SHIPPED_POLICY
    from search_policy.choosers import PolicyChooser

    try:
        PolicyChooser.load(SHIPPED_POLICY)
    except BatonError as error:
        return Finding(
            "search policy", str(error), "Train one with `baton train`, and name it: baton eval --policy FOLDER"
        )
    return Finding("search policy", "weights load and match their hash")


def _port(port: int) -> Finding:
    from vla_bridge.endpoints import tcp_endpoint

    tcp_endpoint("127.0.0.1", port)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding("port", f"{port}: {error.strerror}", "Give another one: baton serve --port N")
    return Finding("port", f"{port} is free")


def _writable() -> Finding:
    import os

    folder = Path.cwd()
    fine = os.access(folder, os.W_OK)
    return Finding(
        "run folder",
        f"{folder} can be written to" if fine else f"{folder} cannot be written to",
        "" if fine else "Run elsewhere, or name a folder with --out.",
    )
