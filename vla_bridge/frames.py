"""One message as frames: a msgpack header of plain values, and raw arrays described in it.

Nothing here knows what a message means. Every surprise is a `ProtocolError`, raised before memory is allocated for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from robots.errors import ProtocolError

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


class Fields:
    """Typed access to a header; every surprise is a `ProtocolError`."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def text(self, key: str, limit: int = MAX_NAME) -> str:
        """Return text of at most `limit` characters."""
        value = self._values.get(key)
        if type(value) is not str or len(value) > limit:
            raise ProtocolError(f"Header field {key!r} must be text of at most {limit} characters.")
        return value

    def integer(self, key: str) -> int:
        """Return an integer from 0 to `MAX_INTEGER`."""
        value = self._values.get(key)
        if type(value) is not int or not 0 <= value <= MAX_INTEGER:
            raise ProtocolError(f"Header field {key!r} must be an integer of at least 0.")
        return value

    def real(self, key: str) -> float:
        """Return a finite number."""
        return real(self._values.get(key), key)

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value = self._values.get(key)
        if type(value) is not bool:
            raise ProtocolError(f"Header field {key!r} must be true or false.")
        return value

    def choice[E: StrEnum](self, key: str, choices: type[E]) -> E:
        """Return a member of `choices`."""
        try:
            return choices(self.text(key))
        except ValueError:
            raise ProtocolError(f"Header field {key!r} must be one of {', '.join(choices)}.") from None

    def items(self, key: str) -> list[Any]:
        """Return a list of at most `MAX_ARRAYS` entries."""
        value = self._values.get(key)
        if type(value) is not list or len(value) > MAX_ARRAYS:
            raise ProtocolError(f"Header field {key!r} must be a list of at most {MAX_ARRAYS}.")
        return value

    def get(self, key: str) -> object:
        """Return the raw value, or None; the caller must check it."""
        return self._values.get(key)


def real(value: object, key: str) -> float:
    """Return `value` if it is a finite number.

    Raises:
        ProtocolError: It is not; the message names `key`.
    """
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise ProtocolError(f"Header field {key!r} must be a finite number.")
    return float(value)  # type: ignore[arg-type]


def unpack_header(frame: Buffer) -> dict[str, Any]:
    """Return the map in a header frame.

    Raises:
        ProtocolError: It is too long, not msgpack, or not a map.
    """
    if len(frame) > MAX_HEADER_BYTES:
        raise ProtocolError(f"A header of {len(frame)} bytes; at most {MAX_HEADER_BYTES} are accepted.")
    try:
        header = msgpack.unpackb(frame, raw=False, strict_map_key=True)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise ProtocolError(f"The header is not valid msgpack: {type(error).__name__}.") from None
    if type(header) is not dict:
        raise ProtocolError("The header is not a map.")
    return header


def sendable(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` in C order, without a copy where it is already.

    Raises:
        ProtocolError: Its dtype or number of axes cannot be sent.
    """
    if array.dtype.str not in DTYPES or array.ndim > MAX_NDIM:
        raise ProtocolError(f"Array {name!r} of dtype {array.dtype} and {array.ndim} axes cannot be sent.")
    return np.ascontiguousarray(array).reshape(array.shape)


def read_arrays(table: list[Any], frames: Sequence[Buffer]) -> dict[str, NDArray[Any]]:
    """Return read-only views of `frames` as the arrays that `table` of (name, dtype, shape) describes.

    Raises:
        ProtocolError: Table and frames do not fit each other, or an array is not accepted.
    """
    if len(table) != len(frames):
        raise ProtocolError(f"The header names {len(table)} arrays, but {len(frames)} came.")
    if sum(len(frame) for frame in frames) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"Arrays of more than {MAX_MESSAGE_BYTES} bytes in one message.")
    arrays: dict[str, NDArray[Any]] = {}
    for entry, frame in zip(table, frames, strict=True):
        if type(entry) is not list or len(entry) != 3:
            raise ProtocolError("An array is not described by name, dtype and shape.")
        name = Fields({"name": entry[0]}).text("name")
        if name in arrays:
            raise ProtocolError(f"Array {name!r} came twice.")
        arrays[name] = _read_array(name, entry[1], entry[2], frame)
    return arrays


def _read_array(name: str, dtype_name: object, shape: object, frame: Buffer) -> NDArray[Any]:
    dtype = DTYPES.get(dtype_name) if type(dtype_name) is str else None
    if dtype is None:
        raise ProtocolError(f"Array {name!r} has a dtype that is not accepted.")
    lengths = read_shape(shape, name, smallest=0)
    if math.prod(lengths) * dtype.itemsize != len(frame):
        raise ProtocolError(f"Array {name!r}: {len(frame)} bytes do not fit shape {lengths} of {dtype}.")
    if len(frame) == 0:
        return np.empty(lengths, dtype)
    if dtype.kind == "b" and max(frame) > 1:
        raise ProtocolError(f"Array {name!r} holds bytes that are not booleans.")
    array = np.frombuffer(frame, dtype).reshape(lengths)
    array.setflags(write=False)
    return array


def read_shape(value: object, name: str, *, smallest: int) -> list[int]:
    """Return `value` if it is a list of at most `MAX_NDIM` lengths of at least `smallest`.

    Raises:
        ProtocolError: It is not; the message names the array.
    """
    if type(value) is not list or len(value) > MAX_NDIM or not all(type(n) is int and n >= smallest for n in value):
        raise ProtocolError(f"Array {name!r} has a shape that is not accepted.")
    return value


def no_arrays(arrays: Arrays) -> None:
    """Check that a message holds no arrays.

    Raises:
        ProtocolError: It does.
    """
    if arrays:
        raise ProtocolError("Arrays in a message that holds none.")
