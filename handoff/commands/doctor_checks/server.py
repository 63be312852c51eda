"""Does the policy server answer, and how fast?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from handoff.commands.doctor_checks.finding import Finding
from vla_bridge.client import PolicyClient
from vla_bridge.link import LinkState, LinkStatus
from vla_bridge.messages import PolicySchema

NAME = "policy server"
POLL_S = 0.01
ROUNDS = 5
PRIVILEGED = "privileged."


def check_server(endpoint: str, deadline_s: float, now: Callable[[], float] = time.monotonic) -> Finding:
    """A server at `endpoint` shakes hands, gets ready, and answers zeros within `deadline_s` [s] altogether.

    Raises:
        UsageError: The endpoint is not understood, or is not on this machine.
    """
    with PolicyClient(endpoint, name="baton doctor") as client:
        end_s = now() + deadline_s
        link = _settled(client, end_s, now)
        if link.state is not LinkState.READY or link.schema is None:
            return Finding(NAME, f"{endpoint}: {_trouble(link, deadline_s)}", _remedy(link))
        return _asked(client, link.schema, endpoint, end_s, now)


def _settled(client: PolicyClient, end_s: float, now: Callable[[], float]) -> LinkStatus:
    """Wait until the link is ready, has failed for good, or the deadline has passed."""
    link = client.link()
    while now() < end_s:
        link = client.link()
        if (link.state is LinkState.READY and link.schema is not None) or link.state in _FINAL:
            break
        time.sleep(POLL_S)
    return link


def _asked(
    client: PolicyClient, schema: PolicySchema, endpoint: str, end_s: float, now: Callable[[], float]
) -> Finding:
    needs = [spec.name for spec in schema.observation if spec.name.startswith(PRIVILEGED)]
    about = f"{endpoint}: {schema.policy}, {schema.horizon} x {schema.action_dim} {schema.action_space}"
    if needs:
        return Finding(NAME, f"{about}; ready (its latency needs the simulator's state and is not measured)")
    latencies = []
    for seq in range(1, ROUNDS + 1):
        began_s = now()
        zeros = {spec.name: np.array(spec.zeros()) for spec in schema.observation}
        client.request(zeros, instruction="", epoch=1, seq=seq, captured_at_s=began_s, deadline_s=end_s - began_s)
        answered = client.wait(max(end_s - began_s, 0.0))
        reply = client.poll()
        if not answered or reply is None or reply.chunk is None:
            outcome = "no answer in time" if reply is None else f"{reply.outcome}: {reply.detail}"
            remedy = "Look into the server's log; a slow policy needs a longer --deadline_s."
            return Finding(NAME, f"{about}; a request of zeros failed ({outcome})", remedy)
        latencies.append(reply.round_trip_s)
    slowest = 1e3 * max(latencies)
    return Finding(NAME, f"{about}; {1e3 * statistics.median(latencies):.0f} ms a request (slowest {slowest:.0f} ms)")


def _trouble(link: LinkStatus, deadline_s: float) -> str:
    said = f" ({link.detail})" if link.detail else ""
    return f"{_MEANINGS.get(link.state, str(link.state))} after {deadline_s:g} s{said}"


def _remedy(link: LinkStatus) -> str:
    if link.state in (LinkState.LOADING, LinkState.WARMING):
        return "Give it more time: --deadline_s SECONDS"
    if link.state is LinkState.FAILED:
        return "Its policy could not be loaded: look into the server's log, then start it again."
    if link.state is LinkState.REFUSED:
        return "Run the same version of Baton on both sides."
    return "Start one: baton serve --port PORT, with the port of this endpoint."


_FINAL = (LinkState.FAILED, LinkState.REFUSED)
_MEANINGS = {
    LinkState.CONNECTING: "nobody answered",
    LinkState.LOST: "the connection was lost",
    LinkState.LOADING: "still loading",
    LinkState.WARMING: "still warming up",
    LinkState.FAILED: "the policy failed",
    LinkState.REFUSED: "the server refused",
}
