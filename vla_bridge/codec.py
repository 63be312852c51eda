"""Messages to and from frames: `[msgpack header | raw array | raw array | ...]`.

Nothing read from the wire is executed or trusted: the header holds only maps, lists, strings and numbers; a dtype must
be on a list of booleans, integers and floats; shape and dtype must account for every byte of a frame before NumPy sees
it. Arrays are sent from and received into the frames themselves, without a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import numpy as np

from robots.errors import ProtocolError
from robots.specs import ArraySpec
from robots.types import ActionSpace
from vla_bridge.frames import (
    DTYPES,
    MAX_TEXT,
    Arrays,
    Buffer,
    Fields,
    no_arrays,
    read_arrays,
    read_shape,
    real,
    sendable,
    unpack_header,
)
from vla_bridge.messages import (
    Chunk,
    Error,
    ErrorCode,
    GripperConvention,
    Hello,
    Infer,
    Message,
    PolicySchema,
    PolicyState,
    Reset,
    Status,
    Welcome,
)


def encode(message: Message) -> list[Any]:
    """Return the frames of `message`: the header, then one buffer per array that aliases the array.

    Raises:
        ProtocolError: An array's dtype or number of axes cannot be sent.
    """
    kind, pack = _PACKERS[type(message)]
    header, arrays = pack(message)
    contiguous = {name: sendable(name, array) for name, array in arrays.items()}
    table = [[name, array.dtype.str, list(array.shape)] for name, array in contiguous.items()]
    head = msgpack.packb({"t": kind, **header, "arrays": table})
    return [head, *(array.reshape(-1).view(np.uint8).data for array in contiguous.values())]


def decode(frames: Sequence[Buffer]) -> Message:
    """Return the message in `frames`. Its arrays are read-only views of the frames.

    Raises:
        ProtocolError: Anything at all is wrong with the frames.
    """
    if not frames:
        raise ProtocolError("A message without frames.")
    header = Fields(unpack_header(frames[0]))
    kind = header.text("t")
    if kind not in _UNPACKERS:
        raise ProtocolError(f"Unknown message kind {kind!r}.")
    return _UNPACKERS[kind](header, read_arrays(header.items("arrays"), frames[1:]))


def _pack_spec(spec: ArraySpec) -> list[Any]:
    return [spec.name, list(spec.shape), spec.dtype, spec.unit, spec.low, spec.high]


def _read_spec(entry: object) -> ArraySpec:
    if type(entry) is not list or len(entry) != 6:
        raise ProtocolError("An array specification does not have six entries.")
    fields = Fields({"name": entry[0], "dtype": entry[2], "unit": entry[3]})
    name, dtype = fields.text("name"), fields.text("dtype")
    if dtype not in _SPEC_DTYPES:
        raise ProtocolError(f"An array specification has dtype {dtype!r}, which is not accepted.")
    low, high = (None if bound is None else real(bound, "bound") for bound in entry[4:])
    shape = tuple(read_shape(entry[1], name, smallest=-1))
    return ArraySpec(name, shape, dtype, fields.text("unit"), low, high)


_SPEC_DTYPES = frozenset(dtype.name for dtype in DTYPES.values())


def _pack_schema(schema: PolicySchema) -> dict[str, Any]:
    return {
        "policy": schema.policy,
        "observation": [_pack_spec(spec) for spec in schema.observation],
        "action": _pack_spec(schema.action),
        "space": schema.action_space.value,
        "control_hz": schema.control_hz,
        "gripper": schema.gripper.value,
    }


def _read_schema(value: object) -> PolicySchema:
    if type(value) is not dict:
        raise ProtocolError("Header field 'schema' must be a map.")
    fields = Fields(value)
    schema = PolicySchema(
        policy=fields.text("policy"),
        observation=tuple(_read_spec(entry) for entry in fields.items("observation")),
        action=_read_spec(fields.get("action")),
        action_space=fields.choice("space", ActionSpace),
        control_hz=fields.real("control_hz"),
        gripper=fields.choice("gripper", GripperConvention),
    )
    if len(schema.action.shape) != 2 or min(schema.action.shape) < 1 or schema.control_hz <= 0.0:
        raise ProtocolError("The schema's action must have a fixed shape (k, a) and a positive rate.")
    return schema


def _pack_hello(message: Hello) -> tuple[dict[str, Any], Arrays]:
    return {"v": message.version, "session": message.session, "client": message.client}, {}


def _read_hello(fields: Fields, arrays: Arrays) -> Hello:
    no_arrays(arrays)
    return Hello(fields.text("session"), fields.text("client"), fields.integer("v"))


def _pack_welcome(message: Welcome) -> tuple[dict[str, Any], Arrays]:
    return {"v": message.version, "session": message.session, "schema": _pack_schema(message.schema)}, {}


def _read_welcome(fields: Fields, arrays: Arrays) -> Welcome:
    no_arrays(arrays)
    return Welcome(fields.text("session"), _read_schema(fields.get("schema")), fields.integer("v"))


def _pack_infer(message: Infer) -> tuple[dict[str, Any], Arrays]:
    header = {"session": message.session, "epoch": message.epoch, "seq": message.seq}
    header |= {"captured_at_s": message.captured_at_s, "deadline_s": message.deadline_s}
    return header | {"instruction": message.instruction}, message.arrays


def _read_infer(fields: Fields, arrays: Arrays) -> Infer:
    return Infer(
        fields.text("session"),
        fields.integer("epoch"),
        fields.integer("seq"),
        fields.real("captured_at_s"),
        fields.real("deadline_s"),
        fields.text("instruction", MAX_TEXT),
        arrays,
    )


def _pack_chunk(message: Chunk) -> tuple[dict[str, Any], Arrays]:
    header = {"session": message.session, "epoch": message.epoch, "seq": message.seq}
    header |= {"captured_at_s": message.captured_at_s, "space": message.action_space.value, "dt_s": message.dt_s}
    header |= {"done": message.done, "infer_s": message.infer_s}
    arrays = {"actions": message.actions}
    return header, arrays if message.gripper is None else arrays | {"gripper": message.gripper}


def _read_chunk(fields: Fields, arrays: Arrays) -> Chunk:
    if not {"actions"} <= set(arrays) <= {"actions", "gripper"}:
        raise ProtocolError("A chunk holds the array 'actions' and at most 'gripper' beside it.")
    return Chunk(
        fields.text("session"),
        fields.integer("epoch"),
        fields.integer("seq"),
        fields.real("captured_at_s"),
        fields.choice("space", ActionSpace),
        fields.real("dt_s"),
        fields.boolean("done"),
        fields.real("infer_s"),
        arrays["actions"],
        arrays.get("gripper"),
    )


def _pack_reset(message: Reset) -> tuple[dict[str, Any], Arrays]:
    return {"session": message.session, "epoch": message.epoch}, {}


def _read_reset(fields: Fields, arrays: Arrays) -> Reset:
    no_arrays(arrays)
    return Reset(fields.text("session"), fields.integer("epoch"))


def _pack_status(message: Status) -> tuple[dict[str, Any], Arrays]:
    header = {"session": message.session, "state": message.state.value, "busy_s": message.busy_s}
    return header | {"detail": message.detail[:MAX_TEXT]}, {}


def _read_status(fields: Fields, arrays: Arrays) -> Status:
    no_arrays(arrays)
    state = fields.choice("state", PolicyState)
    return Status(fields.text("session"), state, fields.real("busy_s"), fields.text("detail", MAX_TEXT))


def _pack_error(message: Error) -> tuple[dict[str, Any], Arrays]:
    header = {"session": message.session, "code": message.code.value, "detail": message.detail[:MAX_TEXT]}
    return header | {"id": message.error_id, "epoch": message.epoch, "seq": message.seq}, {}


def _read_error(fields: Fields, arrays: Arrays) -> Error:
    no_arrays(arrays)
    return Error(
        fields.text("session"),
        fields.choice("code", ErrorCode),
        fields.text("detail", MAX_TEXT),
        fields.text("id"),
        fields.integer("epoch"),
        fields.integer("seq"),
    )


_PACKERS: dict[type, tuple[str, Callable[[Any], tuple[dict[str, Any], Arrays]]]] = {
    Hello: ("hello", _pack_hello),
    Welcome: ("welcome", _pack_welcome),
    Infer: ("infer", _pack_infer),
    Chunk: ("chunk", _pack_chunk),
    Reset: ("reset", _pack_reset),
    Status: ("status", _pack_status),
    Error: ("error", _pack_error),
}
_UNPACKERS: dict[str, Callable[[Fields, Arrays], Message]] = {
    "hello": _read_hello,
    "welcome": _read_welcome,
    "infer": _read_infer,
    "chunk": _read_chunk,
    "reset": _read_reset,
    "status": _read_status,
    "error": _read_error,
}
