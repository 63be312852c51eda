"""Client and server over real loopback sockets."""

import logging
import threading

import numpy as np
import pytest
import zmq

from robots.errors import ServerError, UsageError
from tests.bridge_fakes import SCHEMA, FakeBackend, FakeConfig, RunningServer, arrays, eventually
from vla_bridge.client import PolicyClient
from vla_bridge.codec import decode, encode
from vla_bridge.link import LinkState
from vla_bridge.messages import (
    PROTOCOL_VERSION,
    Chunk,
    Error,
    ErrorCode,
    Hello,
    Infer,
    PolicyState,
    ReplyOutcome,
    Reset,
    Status,
    Welcome,
)
from vla_bridge.server import PolicyServer


def ask(client, seq=1, *, epoch=1, value=0.5, deadline_s=2.0, given=None):
    client.request(
        arrays(value) if given is None else given,
        instruction="pick",
        epoch=epoch,
        seq=seq,
        captured_at_s=float(seq),
        deadline_s=deadline_s,
    )


def ready(client, timeout_s=5.0):
    return eventually(lambda: client.link().state is LinkState.READY, timeout_s)


def answer(client, timeout_s=5.0):
    assert client.wait(timeout_s)
    reply = client.poll()
    assert reply is not None
    return reply


def test_answers_a_request_and_echoes_its_identity():
    with RunningServer() as server, PolicyClient(server.endpoint) as client:
        ready(client)
        assert client.link().schema == SCHEMA
        ask(client, 3, epoch=7)
        reply = answer(client)
        assert reply.outcome is ReplyOutcome.OK
        assert (reply.epoch, reply.seq, reply.captured_at_s) == (7, 3, 3.0)
        assert reply.chunk.actions.shape == (8, 3)
        assert client.poll() is None


def test_bridged_answers_are_bit_identical_to_local_ones():
    rng = np.random.default_rng(5)
    local = FakeBackend()
    with RunningServer() as server, PolicyClient(server.endpoint) as client:
        ready(client)
        for seq in range(1, 101):
            given = {
                "observation.images.wrist": rng.integers(0, 3, (6, 8, 3), dtype=np.uint8),
                "observation.state": rng.uniform(-1, 1, 4).astype(np.float32),
            }
            ask(client, seq, given=given)
            chunk = answer(client).chunk
            want = local.infer(Infer("", 1, seq, 0.0, 1.0, "pick", given))
            assert chunk.actions.tobytes() == want.actions.tobytes()
            assert chunk.gripper.tobytes() == want.gripper.tobytes()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"observation.state": np.zeros(3, np.float32)}, "observation.state"),
        ({"observation.state": np.zeros(4, np.float64)}, "observation.state"),
        ({"observation.state": np.full(4, np.nan, np.float32)}, "observation.state"),
        ({"observation.images.left": np.zeros((6, 8, 3), np.uint8)}, "observation.images.left"),
    ],
)
def test_a_schema_mismatch_is_rejected_and_names_the_field(change, named):
    with RunningServer() as server, PolicyClient(server.endpoint) as client:
        ready(client)
        ask(client, given=arrays() | change)
        reply = answer(client)
        assert reply.outcome is ReplyOutcome.REJECTED
        assert named in reply.detail
        ask(client, 2)
        assert answer(client).outcome is ReplyOutcome.OK
        assert server.backend.inferred == [(client.link().session, 1, 2)]


def test_a_missing_array_is_rejected_and_never_filled_in():
    with RunningServer() as server, PolicyClient(server.endpoint) as client:
        ready(client)
        ask(client, given={"observation.state": np.zeros(4, np.float32)})
        reply = answer(client)
        assert reply.outcome is ReplyOutcome.REJECTED
        assert "observation.images.wrist" in reply.detail
        assert server.backend.inferred == []


def test_loading_and_slow_first_inference_are_visible_and_not_a_fault():
    with (
        RunningServer(FakeBackend(FakeConfig(load_s=0.4, warm_s=0.6))) as server,
        PolicyClient(server.endpoint) as client,
    ):
        eventually(lambda: client.link().state is LinkState.LOADING)
        assert client.link().schema is None
        eventually(lambda: client.link().state is LinkState.WARMING)
        ask(client)
        ready(client)
        assert answer(client).outcome is ReplyOutcome.OK
        assert client.link().sessions == 1


def test_status_is_reported_while_the_policy_computes():
    with RunningServer() as server, PolicyClient(server.endpoint) as client:
        ready(client)
        server.backend.gate.clear()
        ask(client)
        eventually(lambda: client.link().state is LinkState.BUSY)
        eventually(lambda: client.link().busy_s > 0.15)
        server.backend.gate.set()
        assert answer(client).outcome is ReplyOutcome.OK


def test_a_late_answer_is_dropped_and_the_next_one_is_its_own():
    with RunningServer() as server, PolicyClient(server.endpoint) as client:
        ready(client)
        server.backend.gate.clear()
        ask(client, 1, value=0.1, deadline_s=0.1)
        assert answer(client).outcome is ReplyOutcome.LATE
        ask(client, 2, value=0.9)
        server.backend.gate.set()
        reply = answer(client)
        assert (reply.outcome, reply.seq) == (ReplyOutcome.OK, 2)
        np.testing.assert_allclose(reply.chunk.actions[0], 2.9, rtol=1e-6)
        assert client.link().dropped == 1


def test_a_new_epoch_makes_the_old_request_stale_at_once():
    with RunningServer() as server, PolicyClient(server.endpoint) as client:
        ready(client)
        server.backend.gate.clear()
        ask(client, 1, epoch=1)
        eventually(lambda: client.link().state is LinkState.BUSY)
        ask(client, 2, epoch=2)
        assert client.poll().outcome is ReplyOutcome.STALE
        server.backend.gate.set()
        reply = answer(client)
        assert (reply.outcome, reply.epoch) == (ReplyOutcome.OK, 2)
        assert client.poll() is None
        assert len(server.backend.resets) == 2


def test_while_one_is_open_only_the_latest_of_the_newer_requests_is_sent():
    with RunningServer() as server, PolicyClient(server.endpoint) as client:
        ready(client)
        server.backend.gate.clear()
        ask(client, 1)
        eventually(lambda: client.link().state is LinkState.BUSY)
        for seq in (2, 3, 4):
            ask(client, seq)
        server.backend.gate.set()
        replies = [answer(client), client.poll()]
        assert [reply.seq for reply in replies] == [1, 4]
        assert [seq for _, _, seq in server.backend.inferred] == [1, 4]
        assert client.link().superseded == 2


def test_a_failing_policy_gives_an_id_and_no_traceback(caplog):
    with (
        caplog.at_level(logging.ERROR),
        RunningServer(FakeBackend(FakeConfig(fail_at_seq=1))) as server,
        PolicyClient(server.endpoint) as client,
    ):
        ready(client)
        ask(client, 1)
        reply = answer(client)
        assert reply.outcome is ReplyOutcome.REJECTED
        assert "secret" not in reply.detail
        error_id = reply.detail.rpartition("id ")[2].rstrip(")")
        assert error_id
        assert error_id in caplog.text
        assert "secret traceback text" in caplog.text
        ask(client, 2)
        assert answer(client).outcome is ReplyOutcome.OK


def test_values_that_are_not_finite_never_leave_the_server():
    with RunningServer(FakeBackend(FakeConfig(nan=True))) as server, PolicyClient(server.endpoint) as client:
        ready(client)
        ask(client)
        reply = answer(client)
        assert reply.outcome is ReplyOutcome.REJECTED
        assert "not finite" in reply.detail


def test_a_policy_that_fails_to_load_is_reported(caplog):
    with RunningServer(FakeBackend(FakeConfig(fail_load=True))) as server, PolicyClient(server.endpoint) as client:
        eventually(lambda: client.link().state is LinkState.FAILED)
        assert "secret" not in client.link().detail
        ask(client)
        assert answer(client).outcome is ReplyOutcome.REJECTED


def test_two_clients_do_not_disturb_each_other():
    with (
        RunningServer() as server,
        PolicyClient(server.endpoint) as first,
        PolicyClient(server.endpoint) as second,
    ):
        ready(first)
        ready(second)
        ask(first, 1, epoch=5, value=0.1)
        ask(second, 1, epoch=1, value=0.9)
        second.arm()
        np.testing.assert_allclose(answer(first).chunk.actions[0], 2.1, rtol=1e-6)
        ask(first, 2, epoch=5)
        assert answer(first).outcome is ReplyOutcome.OK
        assert server.backend.resets.count(first.link().session) == 1


def test_a_taken_port_is_one_sentence():
    with RunningServer() as server, pytest.raises(ServerError, match=r"cannot listen at .*: Address already in use"):
        PolicyServer(FakeBackend(), server.endpoint).bind()


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:5656", "tcp://*:5656", "tcp://192.168.1.5:5656"])
def test_only_loopback_is_served(endpoint):
    with pytest.raises(UsageError, match="not supported yet"):
        PolicyServer(FakeBackend(), endpoint)
    with pytest.raises(UsageError):
        PolicyClient(endpoint)


class Peer:
    """A raw DEALER that speaks whatever the test wants."""

    def __init__(self, endpoint):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(endpoint)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()
        self.context.term()

    def send(self, message):
        self.socket.send_multipart(encode(message))

    def expect(self, *kinds):
        while self.socket.poll(3000):
            message = decode(self.socket.recv_multipart())
            if isinstance(message, kinds):
                return message
        raise AssertionError(f"no {kinds}")

    def opened(self, session):
        self.send(Hello(session, "raw"))
        self.expect(Welcome)
        while self.expect(Status).state.value != "ready":
            pass
        return self


def infer(session, seq, *, epoch=1, deadline_s=5.0):
    return Infer(session, epoch, seq, 0.0, deadline_s, "pick", arrays())


def test_the_server_refuses_another_protocol_version():
    with RunningServer() as server, Peer(server.endpoint) as peer:
        peer.send(Hello("s", "raw", PROTOCOL_VERSION + 1))
        error = peer.expect(Error)
        assert error.code is ErrorCode.VERSION
        assert f"{PROTOCOL_VERSION + 1}" in error.detail


def test_the_client_refuses_a_server_of_another_version():
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    try:
        with PolicyClient(f"tcp://127.0.0.1:{port}") as client:
            peer, *frames = router.recv_multipart()
            hello = decode(frames)
            router.send_multipart([peer, *encode(Welcome(hello.session, SCHEMA, PROTOCOL_VERSION + 1))])
            eventually(lambda: client.link().state is LinkState.REFUSED)
            ask(client)
            assert answer(client).outcome is ReplyOutcome.REJECTED
    finally:
        router.close(0)
        context.term()


def test_a_raw_client_gets_busy_for_the_request_that_a_newer_one_replaced():
    with RunningServer() as server, Peer(server.endpoint) as peer:
        peer.opened("s")
        server.backend.gate.clear()
        peer.send(infer("s", 1))
        eventually(lambda: server.server.state()[0].value == "busy")
        peer.send(infer("s", 2))
        peer.send(infer("s", 3))
        error = peer.expect(Error)
        assert (error.code, error.seq) == (ErrorCode.SUPERSEDED, 2)
        server.backend.gate.set()
        assert [peer.expect(Chunk).seq, peer.expect(Chunk).seq] == [1, 3]


def test_expired_work_is_refused_unexecuted():
    with RunningServer() as server, Peer(server.endpoint) as peer:
        peer.opened("s")
        server.backend.gate.clear()
        peer.send(infer("s", 1))
        eventually(lambda: server.server.state()[0].value == "busy")
        peer.send(infer("s", 2, deadline_s=0.01))
        error = peer.expect(Error)
        assert (error.code, error.seq) == (ErrorCode.EXPIRED, 2)
        server.backend.gate.set()
        assert peer.expect(Chunk).seq == 1
        assert server.backend.inferred == [("s", 1, 1)]


@pytest.mark.parametrize(
    "message",
    [infer("other", 1), infer("s", 5, epoch=3), infer("s", 9, epoch=4), Reset("s", 3)],
    ids=["session", "epoch", "seq", "reset"],
)
def test_stale_messages_are_refused(message):
    with RunningServer() as server, Peer(server.endpoint) as peer:
        peer.opened("s")
        peer.send(infer("s", 9, epoch=4))
        peer.expect(Chunk)
        peer.send(message)
        assert peer.expect(Error).code is ErrorCode.STALE
        assert len(server.backend.inferred) == 1


def test_garbage_is_refused_and_the_server_goes_on():
    with RunningServer() as server, Peer(server.endpoint) as peer:
        for frames in ([b""], [b"\xc1"], [b"x" * 70_000], [b"\x80"] * 100, [b"\x93\x01\x02\x03", b"abc"]):
            peer.socket.send_multipart(frames)
            assert peer.expect(Error).code is ErrorCode.MALFORMED
        peer.opened("s").send(infer("s", 1))
        assert peer.expect(Chunk).seq == 1


def test_duplicate_late_and_forged_answers_do_not_count():
    """A server that answers everything three times, once for a seq that was never asked."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    stopping = threading.Event()

    def serve():
        while not stopping.is_set():
            if not router.poll(20):
                continue
            peer, *frames = router.recv_multipart()
            message = decode(frames)
            if isinstance(message, Hello):
                router.send_multipart([peer, *encode(Welcome(message.session, SCHEMA))])
                router.send_multipart([peer, *encode(Status(message.session, PolicyState.READY))])
            if isinstance(message, Infer):
                for seq in (message.seq + 100, message.seq, message.seq):
                    actions = np.full((8, 3), seq, np.float32)
                    chunk = Chunk(
                        message.session, message.epoch, seq, message.captured_at_s, SCHEMA.action_space, 0.1, False,
                        0.0, actions, np.zeros(8, np.float32),
                    )  # fmt: skip
                    router.send_multipart([peer, *encode(chunk)])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with PolicyClient(f"tcp://127.0.0.1:{port}") as client:
            ready(client)
            for seq in (1, 2, 3):
                ask(client, seq)
                reply = answer(client)
                assert (reply.seq, reply.chunk.actions[0, 0]) == (seq, seq)
            eventually(lambda: client.link().dropped == 6)
            assert client.poll() is None
    finally:
        stopping.set()
        thread.join()
        router.close(0)
        context.term()
