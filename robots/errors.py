"""The error tree.

Every error Baton raises on purpose descends from `BatonError`; the command line turns each of them into one line
and exit code 2.

```
BatonError
├── UsageError            a bad option, task, method, YAML key or path; names the valid choices
├── SpecError             an array does not fit its declared shape, dtype, bounds or unit
├── CheckpointError       weights are damaged, incomplete, or not the ones that were asked for
├── GraphicsError         no usable OpenGL library for off-screen rendering
├── RobotError
│   ├── RobotDisconnectedError   the link to the robot is gone; nothing was sent
│   └── ActionRejectedError      an action is not finite, has the wrong width or an unsupported space
├── PlanningError         no collision-free, reachable motion was found
└── BridgeError
    ├── ProtocolError     a malformed or unexpected message on the wire
    ├── SchemaError       the two ends disagree on names, shapes, units or versions
    └── ServerError       the policy server could not start, or refused
```
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BatonError(Exception):
    """Base of every deliberate error. The message is one sentence that says what is wrong and what to do."""


class UsageError(BatonError):
    """The caller asked for something that does not exist or cannot be used."""

    @classmethod
    def unknown(cls, kind: str, given: str, choices: Iterable[str], *, where: str = "") -> UsageError:
        """Build the message for an unknown name, listing the valid choices and the nearest one.

        Args:
            kind: What was named, in the singular: "task", "method", "option".
            given: The name that was not found.
            choices: The valid names.
            where: The place of the mistake, for instance a file name; left out when empty.
        """
        valid = sorted(map(str, choices))
        near = difflib.get_close_matches(given, valid, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        place = f" in {where}" if where else ""
        return cls(f"Unknown {kind} {given!r}{place}. Valid choices: {', '.join(valid)}.{hint}")


class SpecError(BatonError):
    """An array does not fit its declared specification."""


class CheckpointError(BatonError):
    """Weights are damaged, incomplete, or not the ones that were asked for."""


class GraphicsError(BatonError):
    """No usable OpenGL library for off-screen rendering."""


class RobotError(BatonError):
    """The robot could not do what was asked."""


class RobotDisconnectedError(RobotError):
    """The link to the robot is gone; nothing was sent."""


class ActionRejectedError(RobotError):
    """An action is not finite, has the wrong width, or an action space the robot does not support."""


class PlanningError(BatonError):
    """No collision-free, reachable motion was found."""


class BridgeError(BatonError):
    """Base of the errors of the policy bridge."""


class ProtocolError(BridgeError):
    """A malformed or unexpected message on the wire."""


class SchemaError(BridgeError):
    """The two ends disagree on names, shapes, units or versions."""


class ServerError(BridgeError):
    """The policy server could not start, or refused the connection."""
