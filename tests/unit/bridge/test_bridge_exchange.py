"""The bookkeeping of requests and replies."""

from dataclasses import replace

import numpy as np
import pytest

from tests.bridge_fakes import SCHEMA
from vla_bridge.exchange import Exchange, Request
from vla_bridge.messages import OUTCOME_OF_ERROR, Chunk, Error, ErrorCode, ReplyOutcome


def request(seq=1, epoch=1, asked_at_s=0.0, deadline_s=1.0):
    return Request({}, "pick", epoch, seq, float(seq), deadline_s, asked_at_s)


def chunk(seq=1, epoch=1, session="s", captured_at_s=None):
    captured_at_s = float(seq) if captured_at_s is None else captured_at_s
    return Chunk(session, epoch, seq, captured_at_s, SCHEMA.action_space, 0.1, False, 0.0, np.zeros((8, 3), "f4"))


@pytest.fixture
def exchange():
    exchange = Exchange()
    exchange.open("s")
    exchange.submit(request())
    assert exchange.send(0.25).deadline_s == pytest.approx(0.75)
    return exchange


def test_an_answer_ends_the_request(exchange):
    assert not exchange.idle
    assert exchange.answer(chunk(), 0.5)
    assert exchange.idle
    reply = exchange.take()
    assert (reply.outcome, reply.round_trip_s) == (ReplyOutcome.OK, 0.5)
    assert exchange.take() is None


@pytest.mark.parametrize(
    "wrong", [{"seq": 2}, {"epoch": 2}, {"session": "t"}, {"captured_at_s": 9.0}], ids=lambda wrong: next(iter(wrong))
)
def test_an_answer_to_something_else_is_dropped(exchange, wrong):
    assert not exchange.answer(chunk(**wrong), 0.5)
    assert not exchange.idle
    assert exchange.counters.dropped == 1


def test_a_second_answer_is_dropped(exchange):
    assert exchange.answer(chunk(), 0.5)
    assert not exchange.answer(chunk(), 0.6)


def test_a_deadline_ends_the_request_and_its_late_answer_is_dropped(exchange):
    exchange.expire(0.99)
    assert exchange.take() is None
    exchange.expire(1.0)
    assert exchange.take().outcome is ReplyOutcome.LATE
    assert not exchange.answer(chunk(), 1.1)


def test_the_answer_of_an_earlier_session_is_dropped(exchange):
    exchange.fail(ReplyOutcome.LOST, "gone", 0.5)
    exchange.open("t")
    exchange.submit(request())
    exchange.send(0.6)
    assert not exchange.answer(chunk(), 0.7)
    assert [exchange.take().outcome, exchange.take()] == [ReplyOutcome.LOST, None]


def test_a_newer_request_waits_for_the_open_one_and_replaces_the_waiting_one(exchange):
    exchange.submit(request(2))
    exchange.submit(request(3))
    assert exchange.send(0.1) is None
    exchange.answer(chunk(), 0.5)
    assert exchange.send(0.5).seq == 3
    assert exchange.counters.superseded == 1


def test_a_newer_epoch_does_not_wait(exchange):
    exchange.submit(request(2, epoch=2))
    assert exchange.take().outcome is ReplyOutcome.STALE
    assert exchange.send(0.1).epoch == 2


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_code_has_its_outcome(exchange, code):
    assert exchange.refuse(Error("s", code, "why", "id", 1, 1), 0.5)
    reply = exchange.take()
    assert reply.outcome is OUTCOME_OF_ERROR[code]
    assert "why" in reply.detail
    assert "id" in reply.detail


def test_an_error_about_something_else_is_dropped(exchange):
    error = Error("s", ErrorCode.POLICY, "why", "", 1, 1)
    assert not exchange.refuse(replace(error, seq=7), 0.5)
    assert not exchange.refuse(replace(error, session="t"), 0.5)
    assert not exchange.idle


def test_a_request_that_was_never_sent_expires_too():
    exchange = Exchange()
    exchange.submit(request())
    assert exchange.expires_at_s == 1.0
    exchange.expire(1.0)
    assert exchange.take().outcome is ReplyOutcome.LATE
    assert exchange.expires_at_s is None
