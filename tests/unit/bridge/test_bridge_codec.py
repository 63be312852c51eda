"""Messages to bytes and back."""

from dataclasses import fields, replace

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from robots.errors import ProtocolError
from tests.bridge_golden import GOLDEN, MESSAGES
from vla_bridge.codec import decode, encode
from vla_bridge.frames import DTYPES
from vla_bridge.messages import Infer


def same(left, right):
    for field in fields(left):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if isinstance(a, np.ndarray):
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        elif field.name == "arrays":
            assert list(a) == list(b)
            for name in a:
                assert (a[name].dtype, a[name].shape, a[name].tobytes()) == (
                    b[name].dtype,
                    b[name].shape,
                    b[name].tobytes(),
                )
        else:
            assert a == b


@pytest.mark.parametrize("kind", sorted(MESSAGES))
def test_round_trip(kind):
    decoded = decode([bytes(frame) for frame in encode(MESSAGES[kind])])
    assert type(decoded) is type(MESSAGES[kind])
    same(decoded, MESSAGES[kind])


@pytest.mark.parametrize("kind", sorted(MESSAGES))
def test_golden_bytes(kind):
    assert [bytes(frame).hex() for frame in encode(MESSAGES[kind])] == GOLDEN[kind]
    same(decode([bytes.fromhex(frame) for frame in GOLDEN[kind]]), MESSAGES[kind])


array = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda name: nps.arrays(name, nps.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.text(max_size=20), array, max_size=4),
    st.integers(0, 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_array_survives_bit_by_bit(arrays, epoch, captured_at_s):
    message = Infer("s", epoch, 1, captured_at_s, 1.0, "näher", arrays)
    same(decode([bytes(frame) for frame in encode(message)]), message)


def test_strided_arrays_are_sent_in_c_order():
    message = Infer("s", 1, 1, 0.0, 1.0, "", {"a": np.arange(12).reshape(3, 4).T[::2]})
    same(decode([bytes(frame) for frame in encode(message)]), message)


def test_arrays_are_views_of_the_frames_and_read_only():
    frames = [bytes(frame) for frame in encode(MESSAGES["infer"])]
    decoded = decode(frames).arrays["a"]
    assert np.shares_memory(decoded, np.frombuffer(frames[1], np.uint8))
    assert not decoded.flags.writeable


def test_contiguous_arrays_are_sent_without_a_copy():
    array = np.arange(6, dtype=np.float32)
    frame = encode(Infer("s", 1, 1, 0.0, 1.0, "", {"a": array}))[1]
    assert np.shares_memory(np.frombuffer(frame, np.float32), array)


@pytest.mark.parametrize("dtype", ["O", "c8", "U4", "S4", "V8", "M8[s]", ">f4", "f16"])
def test_other_dtypes_are_neither_sent_nor_read(dtype):
    with pytest.raises(ProtocolError):
        encode(Infer("s", 1, 1, 0.0, 1.0, "", {"a": np.zeros(1, dtype)}))
    head = msgpack.unpackb(encode(MESSAGES["infer"])[0])
    head["arrays"] = [["a", dtype, [1]]]
    with pytest.raises(ProtocolError, match="dtype"):
        decode([msgpack.packb(head), bytes(np.dtype(dtype).itemsize)])


@pytest.mark.parametrize(
    "table",
    [
        [["a", "|u1", [7]]],
        [["a", "|u1", [2**40, 2**40]]],
        [["a", "|u1", [-6]]],
        [["a", "|u1", [1, 1, 1, 1, 6]]],
        [["a", "|u1", [True, 6]]],
        [["a", "|u1", 6]],
        [["a", "|u1"]],
        [["a", "|b1", [6]]],
        [],
        [["a", "|u1", [6]], ["b", "|u1", [0]]],
        "aaa",
    ],
)
def test_frames_must_match_their_description(table):
    head, body = (bytes(frame) for frame in encode(MESSAGES["infer"]))
    header = msgpack.unpackb(head) | {"arrays": table}
    with pytest.raises(ProtocolError):
        decode([msgpack.packb(header), body])


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": -1},
        {"epoch": True},
        {"epoch": 1.0},
        {"epoch": 2**63},
        {"captured_at_s": float("nan")},
        {"deadline_s": float("inf")},
        {"deadline_s": "1"},
        {"session": "s" * 200},
        {"instruction": None},
        {"t": "unknown"},
        {"t": ["infer"]},
    ],
)
def test_header_fields_are_checked(change):
    head, body = (bytes(frame) for frame in encode(MESSAGES["infer"]))
    with pytest.raises(ProtocolError):
        decode([msgpack.packb(msgpack.unpackb(head) | change), body])


def test_deep_nesting_is_refused():
    with pytest.raises(ProtocolError):
        decode([b"\x91" * 60_000 + b"\x01"])


def test_a_long_detail_is_cut_to_what_the_other_end_accepts():
    message = replace(MESSAGES["error"], detail="x" * 10_000)
    assert len(decode(encode(message)).detail) == 4096
