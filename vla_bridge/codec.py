"""Messages to and from frames: `[msgpack header | raw array | raw array | ...]`.

Nothing read from the wire is executed or trusted: the header holds only maps, lists, strings and numbers; a dtype must
be on a list of booleans, integers and floats; shape and dtype must account for every byte of a frame before NumPy sees
it. Arrays are sent from and received into the frames themselves, without a copy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from robots.errors import ProtocolError
from robots.specs import ArraySpec
from robots.types import ActionSpace
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

MAX_HEADER_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_ARRAYS = 32
MAX_NDIM = 4
MAX_NAME = 128
MAX_TEXT = 4096
MAX_INTEGER = 2**62

DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        name: np.dtype(name)
        for name in ("|b1", "|i1", "|u1", "<i2", "<u2", "<f2", "<i4", "<u4", "<f4", "<i8", "<u8", "<f8")
    }
)

type Arrays = Mapping[str, NDArray[Any]]
type Buffer = bytes | memoryview


def encode(message: Message) -> list[Any]:
    """Return the frames of `message`: the header, then one buffer per array that aliases the array.

    Raises:
        ProtocolError: An array's dtype or number of axes cannot be sent.
    """
    kind, pack = _PACKERS[type(message)]
    header, arrays = pack(message)
    contiguous = {name: _sendable(name, array) for name, array in arrays.items()}
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
    header = _Fields(_unpack_header(frames[0]))
    kind = header.text("t")
    if kind not in _UNPACKERS:
        raise ProtocolError(f"Unknown message kind {kind!r}.")
    return _UNPACKERS[kind](header, _read_arrays(header.items("arrays"), frames[1:]))


class _Fields:
    """Typed access to a header; every surprise is a `ProtocolError`."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def text(self, key: str, limit: int = MAX_NAME) -> str:
        value = self._values.get(key)
        if type(value) is not str or len(value) > limit:
            raise ProtocolError(f"Header field {key!r} must be text of at most {limit} characters.")
        return value

    def integer(self, key: str) -> int:
        value = self._values.get(key)
        if type(value) is not int or not 0 <= value <= MAX_INTEGER:
            raise ProtocolError(f"Header field {key!r} must be an integer of at least 0.")
        return value

    def real(self, key: str) -> float:
        return _real(self._values.get(key), key)

    def boolean(self, key: str) -> bool:
        value = self._values.get(key)
        if type(value) is not bool:
            raise ProtocolError(f"Header field {key!r} must be true or false.")
        return value

    def choice[E: StrEnum](self, key: str, choices: type[E]) -> E:
        try:
            return choices(self.text(key))
        except ValueError:
            raise ProtocolError(f"Header field {key!r} must be one of {', '.join(choices)}.") from None

    def items(self, key: str) -> list[Any]:
        value = self._values.get(key)
        if type(value) is not list or len(value) > MAX_ARRAYS:
            raise ProtocolError(f"Header field {key!r} must be a list of at most {MAX_ARRAYS}.")
        return value

    def get(self, key: str) -> object:
        return self._values.get(key)


def _real(value: object, key: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise ProtocolError(f"Header field {key!r} must be a finite number.")
    return float(value)  # type: ignore[arg-type]


def _unpack_header(frame: Buffer) -> dict[str, Any]:
    if len(frame) > MAX_HEADER_BYTES:
        raise ProtocolError(f"A header of {len(frame)} bytes; at most {MAX_HEADER_BYTES} are accepted.")
    try:
        header = msgpack.unpackb(frame, raw=False, strict_map_key=True)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise ProtocolError(f"The header is not valid msgpack: {type(error).__name__}.") from None
    if type(header) is not dict:
        raise ProtocolError("The header is not a map.")
    return header


def _sendable(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.str not in DTYPES or array.ndim > MAX_NDIM:
        raise ProtocolError(f"Array {name!r} of dtype {array.dtype} and {array.ndim} axes cannot be sent.")
    return np.ascontiguousarray(array).reshape(array.shape)


def _read_arrays(table: list[Any], frames: Sequence[Buffer]) -> dict[str, NDArray[Any]]:
    if len(table) != len(frames):
        raise ProtocolError(f"The header names {len(table)} arrays, but {len(frames)} came.")
    if sum(len(frame) for frame in frames) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"Arrays of more than {MAX_MESSAGE_BYTES} bytes in one message.")
    arrays: dict[str, NDArray[Any]] = {}
    for entry, frame in zip(table, frames, strict=True):
        if type(entry) is not list or len(entry) != 3:
            raise ProtocolError("An array is not described by name, dtype and shape.")
        name = _Fields({"name": entry[0]}).text("name")
        if name in arrays:
            raise ProtocolError(f"Array {name!r} came twice.")
        arrays[name] = _read_array(name, entry[1], entry[2], frame)
    return arrays


def _read_array(name: str, dtype_name: object, shape: object, frame: Buffer) -> NDArray[Any]:
    dtype = DTYPES.get(dtype_name) if type(dtype_name) is str else None
    if dtype is None:
        raise ProtocolError(f"Array {name!r} has a dtype that is not accepted.")
    if type(shape) is not list or len(shape) > MAX_NDIM or not all(type(n) is int and n >= 0 for n in shape):
        raise ProtocolError(f"Array {name!r} has a shape that is not accepted.")
    if math.prod(shape) * dtype.itemsize != len(frame):
        raise ProtocolError(f"Array {name!r}: {len(frame)} bytes do not fit shape {shape} of {dtype}.")
    if len(frame) == 0:
        return np.empty(shape, dtype)
    if dtype.kind == "b" and max(frame) > 1:
        raise ProtocolError(f"Array {name!r} holds bytes that are not booleans.")
    array = np.frombuffer(frame, dtype).reshape(shape)
    array.setflags(write=False)
    return array


def _no_arrays(arrays: Arrays) -> None:
    if arrays:
        raise ProtocolError("Arrays in a message that holds none.")


def _pack_spec(spec: ArraySpec) -> list[Any]:
    return [spec.name, list(spec.shape), spec.dtype, spec.unit, spec.low, spec.high]


def _read_spec(entry: object) -> ArraySpec:
    if type(entry) is not list or len(entry) != 6:
        raise ProtocolError("An array specification does not have six entries.")
    fields = _Fields({"name": entry[0], "dtype": entry[2], "unit": entry[3]})
    shape, low, high = entry[1], entry[4], entry[5]
    if type(shape) is not list or len(shape) > MAX_NDIM or not all(type(n) is int and n >= -1 for n in shape):
        raise ProtocolError("An array specification has a shape that is not accepted.")
    dtype = fields.text("dtype")
    if dtype not in _SPEC_DTYPES:
        raise ProtocolError(f"An array specification has dtype {dtype!r}, which is not accepted.")
    bounds = [None if bound is None else _real(bound, "bound") for bound in (low, high)]
    return ArraySpec(fields.text("name"), tuple(shape), dtype, fields.text("unit"), *bounds)


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
    fields = _Fields(value)
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


def _read_hello(fields: _Fields, arrays: Arrays) -> Hello:
    _no_arrays(arrays)
    return Hello(fields.text("session"), fields.text("client"), fields.integer("v"))


def _pack_welcome(message: Welcome) -> tuple[dict[str, Any], Arrays]:
    return {"v": message.version, "session": message.session, "schema": _pack_schema(message.schema)}, {}


def _read_welcome(fields: _Fields, arrays: Arrays) -> Welcome:
    _no_arrays(arrays)
    return Welcome(fields.text("session"), _read_schema(fields.get("schema")), fields.integer("v"))


def _pack_infer(message: Infer) -> tuple[dict[str, Any], Arrays]:
    header = {"session": message.session, "epoch": message.epoch, "seq": message.seq}
    header |= {"captured_at_s": message.captured_at_s, "deadline_s": message.deadline_s}
    return header | {"instruction": message.instruction}, message.arrays


def _read_infer(fields: _Fields, arrays: Arrays) -> Infer:
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


def _read_chunk(fields: _Fields, arrays: Arrays) -> Chunk:
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


def _read_reset(fields: _Fields, arrays: Arrays) -> Reset:
    _no_arrays(arrays)
    return Reset(fields.text("session"), fields.integer("epoch"))


def _pack_status(message: Status) -> tuple[dict[str, Any], Arrays]:
    header = {"session": message.session, "state": message.state.value, "busy_s": message.busy_s}
    return header | {"detail": message.detail[:MAX_TEXT]}, {}


def _read_status(fields: _Fields, arrays: Arrays) -> Status:
    _no_arrays(arrays)
    state = fields.choice("state", PolicyState)
    return Status(fields.text("session"), state, fields.real("busy_s"), fields.text("detail", MAX_TEXT))


def _pack_error(message: Error) -> tuple[dict[str, Any], Arrays]:
    header = {"session": message.session, "code": message.code.value, "detail": message.detail[:MAX_TEXT]}
    return header | {"id": message.error_id, "epoch": message.epoch, "seq": message.seq}, {}


def _read_error(fields: _Fields, arrays: Arrays) -> Error:
    _no_arrays(arrays)
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
_UNPACKERS: dict[str, Callable[[_Fields, Arrays], Message]] = {
    "hello": _read_hello,
    "welcome": _read_welcome,
    "infer": _read_infer,
    "chunk": _read_chunk,
    "reset": _read_reset,
    "status": _read_status,
    "error": _read_error,
}
