"""Faults of real processes and of the wire: killed, frozen, restarted, malformed."""

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robots.errors import ProtocolError, ServerError
from tests.bridge_fakes import arrays, eventually
from tests.bridge_golden import MESSAGES
from vla_bridge.client import PolicyClient
from vla_bridge.codec import decode, encode
from vla_bridge.link import LinkState
from vla_bridge.messages import ReplyOutcome
from vla_bridge.process import ServerProcess

FAKE = "tests.bridge_fakes"


def server(*options, **kwargs):
    return ServerProcess(["--backend.type=fake", "--port=0", *options], module=FAKE, ready_timeout_s=30, **kwargs)


def ask(client, seq, deadline_s=20.0):
    client.request(arrays(), instruction="pick", epoch=1, seq=seq, captured_at_s=0.0, deadline_s=deadline_s)


def ready(client, timeout_s=10.0):
    return eventually(lambda: client.link().state is LinkState.READY, timeout_s)


@pytest.mark.e2e
def test_a_killed_server_is_noticed_and_the_same_client_recovers():
    with server("--backend.infer_s=5") as process, PolicyClient(process.endpoint) as client:
        ready(client)
        session = client.link().session
        ask(client, 1)
        eventually(lambda: client.link().state is LinkState.BUSY)
        process.kill()
        began = time.monotonic()
        assert client.wait(5.0)
        assert time.monotonic() - began < 1.0
        assert client.poll().outcome is ReplyOutcome.LOST
        assert client.link().state is LinkState.LOST
        ask(client, 2)
        assert client.wait(1.0)
        assert client.poll().outcome is ReplyOutcome.LOST
        process.start()
        process.wait_ready()
        assert ready(client) < 1.0
        assert client.link().session not in ("", session)
        assert client.link().sessions == 2


@pytest.mark.e2e
def test_a_frozen_server_is_noticed_and_recovers_when_it_thaws():
    with server() as process, PolicyClient(process.endpoint) as client:
        ready(client)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            ask(client, 1)
            began = time.monotonic()
            assert client.wait(5.0)
            assert time.monotonic() - began < 1.0
            assert client.poll().outcome is ReplyOutcome.LOST
        finally:
            os.kill(process.pid, signal.SIGCONT)
        ready(client)
        ask(client, 2)
        assert client.wait(5.0)
        assert client.poll().outcome is ReplyOutcome.OK


@pytest.mark.e2e
def test_a_policy_that_holds_the_interpreter_lock_is_not_a_dead_server():
    with server("--backend.hold_lock_s=3") as process, PolicyClient(process.endpoint) as client:
        ready(client)
        ask(client, 1)
        assert client.wait(10.0)
        assert client.poll().outcome is ReplyOutcome.OK
        assert client.link().sessions == 1


@pytest.mark.e2e
def test_the_server_ends_cleanly_on_a_signal_even_while_it_computes():
    with server("--backend.infer_s=30") as process, PolicyClient(process.endpoint) as client:
        ready(client)
        ask(client, 1)
        eventually(lambda: client.link().state is LinkState.BUSY)
        began = time.monotonic()
        process.stop()
        assert time.monotonic() - began < 2.5


@pytest.mark.e2e
def test_the_server_does_not_outlive_the_process_that_started_it():
    code = (
        "import sys, time; from vla_bridge.process import ServerProcess\n"
        f"p = ServerProcess(['--backend.type=fake', '--port=0'], module={FAKE!r}); p.start()\n"
        "print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not _runs(child))


@pytest.mark.e2e
def test_a_policy_that_cannot_load_is_one_error(tmp_path):
    log = tmp_path / "server.log"
    with pytest.raises(ServerError, match="could not be served: the policy failed"):
        server("--backend.fail_load=true", log=log).__enter__()
    assert "secret traceback text" in log.read_text()


@pytest.mark.e2e
def test_a_taken_port_and_an_open_host_are_one_line_and_exit_code_2():
    with server() as process:
        port = process.endpoint.rpartition(":")[2]
        for option, words in ((f"--port={port}", "Address already in use"), ("--host=0.0.0.0", "not supported yet")):
            command = [sys.executable, "-m", FAKE, "--backend.type=fake", option]
            ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
            assert ended.returncode == 2
            assert words in ended.stderr
            assert ended.stderr.count("\n") == 1


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_random_frames_never_do_more_than_a_protocol_error(frames):
    with pytest.raises(ProtocolError):
        decode(frames)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_mutated_messages_never_do_more_than_a_protocol_error(kind, data):
    frames = [bytearray(frame) for frame in encode(MESSAGES[kind])]
    for _ in range(data.draw(st.integers(1, 4))):
        frame = data.draw(st.sampled_from(frames))
        if frame:
            frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del frames[data.draw(st.integers(0, len(frames) - 1)) :]
    try:
        message = decode([bytes(frame) for frame in frames])
    except ProtocolError:
        return
    encode(message)
