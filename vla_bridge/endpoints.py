"""Where the bridge may listen and connect: this machine only, until keys are supported."""

from __future__ import annotations

import ipaddress

from robots.errors import UsageError


def tcp_endpoint(host: str, port: int) -> str:
    """Return the ZeroMQ endpoint of a loopback `host` and `port`; port 0 lets the system choose one.

    Raises:
        UsageError: The host is not this machine, or the port does not exist.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"Port {port} does not exist; give one from 1 to 65535, or 0 for any free one.")
    if not _is_loopback(host):
        raise UsageError(
            f"Host {host!r} is not this machine: encryption keys are not supported yet, so the policy server is "
            "reached over loopback only. Use 127.0.0.1, and an SSH tunnel from elsewhere."
        )
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def check_endpoint(endpoint: str) -> str:
    """Return `endpoint` if it is `ipc://` or `tcp://` on a loopback address.

    Raises:
        UsageError: It is something else.
    """
    if endpoint.startswith("ipc://"):
        return endpoint
    host, separator, port = endpoint.removeprefix("tcp://").rpartition(":")
    if not endpoint.startswith("tcp://") or not separator or not port.isdigit():
        raise UsageError(f"Endpoint {endpoint!r} is not understood; give tcp://127.0.0.1:PORT or ipc://PATH.")
    tcp_endpoint(host.strip("[]"), int(port))
    return endpoint


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
