"""How the connection to the policy server is, as the control loop sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vla_bridge.messages import PolicySchema, PolicyState


class LinkState(StrEnum):
    """What a request would meet now."""

    CLOSED = "closed"  # not started, or closed
    CONNECTING = "connecting"  # no server has answered yet
    LOADING = "loading"
    WARMING = "warming"
    READY = "ready"
    BUSY = "busy"
    FAILED = "failed"  # the server's policy cannot serve
    REFUSED = "refused"  # the server speaks another version
    LOST = "lost"  # the server was there; reconnecting

    @property
    def usable(self) -> bool:
        """Whether requests are sent at once."""
        return self in (LinkState.READY, LinkState.BUSY)

    @property
    def broken(self) -> bool:
        """Whether requests fail at once."""
        return self in (LinkState.CLOSED, LinkState.FAILED, LinkState.REFUSED, LinkState.LOST)


LINK_OF_POLICY = {state: LinkState(state.value) for state in PolicyState}


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """A snapshot of the connection.

    Attributes:
        state: See `LinkState`.
        detail: Why it failed, was refused or lost, or empty.
        session: The current session, or empty.
        schema: What the policy needs and gives, once the server has said it in this session.
        busy_s: How long the policy had been in its state when it last reported [s].
        sessions: Sessions opened so far; above 1 after a reconnection.
        answered: Requests that got their chunk in time.
        failed: Requests that ended in any other outcome.
        dropped: Late or foreign answers thrown away.
        superseded: Requests replaced by a newer one before they were sent.
    """

    state: LinkState
    detail: str = ""
    session: str = ""
    schema: PolicySchema | None = None
    busy_s: float = 0.0
    sessions: int = 0
    answered: int = 0
    failed: int = 0
    dropped: int = 0
    superseded: int = 0
