"""What a policy backend must do, and how its configuration chooses it.

To add a backend: a frozen dataclass `<Name>Config(BackendConfig)` and a class that satisfies `Backend` and takes that
configuration, in one module that imports nothing heavy at its top; then one line in `BACKENDS`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import draccus
from numpy.typing import NDArray

from robots.errors import UsageError
from robots.types import read_only
from vla_bridge.messages import Infer, PolicySchema


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a policy answers to one request.

    Attributes:
        actions: (k, a), as `PolicySchema.action` says.
        gripper: (k,) 0.0 open to 1.0 closed; None exactly when the schema's convention is `none`.
        done: The policy believes that its job was finished when the observation was captured.
    """

    actions: NDArray[Any]
    gripper: NDArray[Any] | None = None
    done: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", read_only(self.actions))
        if self.gripper is not None:
            object.__setattr__(self, "gripper", read_only(self.gripper))


class Backend(Protocol):
    """A policy behind the server. Every method is called from one worker thread, and may be slow.

    Any `BatonError` raised by `load` or `warm` makes the server report FAILED with its message.
    """

    def load(self) -> None:
        """Read weights and build the policy. Called once, before everything else.

        Raises:
            CheckpointError: The weights are damaged, incomplete, or not the ones that were asked for.
        """
        ...

    @property
    def schema(self) -> PolicySchema:
        """What the policy needs and gives. Must be constant after `load`."""
        ...

    def warm(self) -> None:
        """Run one inference on a synthetic observation, so that the first real one is fast."""
        ...

    def infer(self, request: Infer) -> Prediction:
        """Compute the next chunk. The request's arrays have been checked against `schema` and are read-only."""
        ...

    def reset(self, session: str) -> None:
        """Forget the state kept for `session`: a new attempt begins. Must not disturb other sessions."""
        ...


# Module, configuration class, backend class; imported only when named or listed.
BACKENDS: Mapping[str, tuple[str, str, str]] = {
    "expert": ("vla_bridge.backends.expert", "ExpertConfig", "ExpertBackend"),
    "lerobot": ("vla_bridge.backends.lerobot", "LeRobotConfig", "LeRobotBackend"),
}


@dataclass(frozen=True)
class BackendConfig(draccus.ChoiceRegistry):
    """Base of the backends' configurations; `backend.type` names one of `BACKENDS`."""

    @classmethod
    def get_choice_class(cls, name: str) -> type[Any]:
        """Import and return the configuration class of the backend `name`.

        Raises:
            UsageError: There is no such backend.
        """
        if name in cls._choice_registry:
            registered: type[Any] = cls._choice_registry[name]
            return registered
        if name not in BACKENDS:
            raise UsageError.unknown("backend", str(name), BACKENDS)
        module, config, _ = BACKENDS[name]
        choice: type[Any] = getattr(importlib.import_module(module), config)
        return choice

    @classmethod
    def get_known_choices(cls) -> dict[str, Any]:
        """Return every backend's configuration class by name."""
        known = {name: cls.get_choice_class(name) for name, entry in BACKENDS.items() if _exists(entry[0])}
        return {**known, **cls._choice_registry}

    @classmethod
    def get_choice_name(cls, subcls: type) -> str:
        """Return the backend's name of a configuration class.

        Raises:
            ValueError: It is none, as draccus expects for the base class.
        """
        for name, choice in cls.get_known_choices().items():
            if choice is subcls:
                return name
        raise ValueError(f"{subcls.__name__} is not the configuration of a backend.")


def build_backend(config: BackendConfig) -> Backend:
    """Build the backend that `config` describes; nothing is loaded yet."""
    module, _, backend = BACKENDS[type(config).get_choice_name(type(config))]
    built: Backend = getattr(importlib.import_module(module), backend)(config)
    return built


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
