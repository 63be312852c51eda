"""Does a parquet column hold, row by row, what the data set's description says? Nothing is converted or guessed."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image as Pillow

_LEAVES = {
    "float32": pa.float32(),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "int32": pa.int32(),
    "bool": pa.bool_(),
}


def misfit(column: pa.ChunkedArray, dtype: str, shape: Sequence[int]) -> str | None:
    """Return why a column does not hold n arrays of this type and shape, or None where it does.

    Args:
        column: n rows.
        dtype: As a data set's description names it; `image` for encoded images.
        shape: Of one row; (1,) is stored as a scalar or as a list of one.
    """
    array = _flat(column)
    if column.null_count:
        return f"has no value in row {pc.index(pc.is_null(column), True).as_py()}"
    if dtype == "image":
        return _image_misfit(array, shape)
    depth = 0
    while _is_list(array.type):
        if depth == len(shape):
            return f"holds lists deeper than the shape {tuple(shape)}"
        lengths = pc.list_value_length(array)
        if len(array) and not pc.all(pc.equal(lengths, shape[depth])).as_py():
            return f"holds rows that do not have the shape {tuple(shape)}"
        array, depth = array.flatten(), depth + 1
    if depth != len(shape) and not (depth == 0 and tuple(shape) == (1,)):
        return f"holds rows of {depth} dimensions instead of the shape {tuple(shape)}"
    if array.null_count:
        return "holds lists with empty places"
    wanted = _LEAVES.get(dtype)
    return None if array.type == wanted else f"is stored as {array.type}"


def numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return n rows of numbers or flags as a matrix, (n, d), nested lists flattened."""
    array = _flat(column)
    rows = len(array)
    while _is_list(array.type):
        array = array.flatten()
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64).reshape(rows, -1)


def image(encoded: bytes) -> Pillow.Image:
    """Return the header of an encoded image; its pixels are decoded when they are asked for.

    Raises:
        OSError: It is no image.
    """
    return Pillow.open(io.BytesIO(encoded))


def _image_misfit(array: pa.Array, shape: Sequence[int]) -> str | None:
    if not pa.types.is_struct(array.type) or array.type.get_field_index("bytes") < 0:
        return f"is stored as {array.type}, not as encoded images"
    for row, encoded in enumerate(array.field("bytes")):
        try:
            found = image(encoded.as_py() or b"")
        except (OSError, SyntaxError, ValueError):
            return f"holds no readable image in row {row}"
        size = (found.height, found.width, len(found.getbands()))
        if size != tuple(shape):
            return f"holds an image of {size} in row {row}"
    return None


def _flat(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], type=array.type)
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
