"""Each guard and time-out on both sides of its bound."""

import dataclasses
import math

import pytest

from handoff.authority import AuthorityConfig, CauseName, Inputs, fault, start, step
from handoff.grasp_check import GraspReport, GraspState
from handoff.interfaces import TriggerDecision, TriggerState
from handoff.phases import HOLDERS, Phase, Status, StopReason
from robots.types import Holder, Lease, SkillHealth, SkillState

NOW = 1000.0
CONFIG = AuthorityConfig(still_s=0.5)
ALONE = dataclasses.replace(CONFIG, search=False)


def health(state, detail=""):
    return SkillHealth(SkillState(state), detail)


def decided(state="absent", age_s=0.0):
    return TriggerDecision(TriggerState(state), 1.5, None, False, False, age_s)


# Nothing happens: the arm moves, the skills work, nothing is decided.
CALM = Inputs(
    decision=decided(),
    search=health("ready"),
    vla=health("ready"),
    retreat=health("ready"),
    prepared=False,
    still_s=0.0,
    silent_s=0.0,
    target_missing=False,
    grasp=GraspReport(GraspState.MOVING),
    observation_age_s=0.0,
)


def status(phase, elapsed_s=0.1, **changes):
    plain = Status(Phase(phase), Lease(HOLDERS[Phase(phase)], 7), since_s=NOW - elapsed_s, started_s=NOW - elapsed_s)
    return dataclasses.replace(plain, **changes)


def cause(before, inputs, config=CONFIG):
    _, cause = step(before, inputs, NOW, config)
    return cause.name if cause else None


REST = {"still_s": 0.5}
FAILED, DONE, WARMING, EXHAUSTED = health("failed"), health("done"), health("warming"), health("exhausted")
HELD, EMPTY, OPEN = (GraspReport(GraspState(name), 5.99) for name in ("held", "empty", "open"))
LOST = {"lost_since_s": NOW - 6.0}

# phase, seconds in it, inputs that differ from calm, fields of the status, expected cause
TABLE = [
    ("hold", 9.9, {}, {}, None),
    ("hold", 9.9, {**REST}, {}, None),
    ("hold", 0.1, {"prepared": True}, {}, None),
    ("hold", 0.1, {"prepared": True, "still_s": 0.49}, {}, None),
    ("hold", 0.1, {**REST, "prepared": True}, {}, "search_ready"),
    ("hold", 0.1, {**REST, "prepared": True, "decision": decided(age_s=2.0)}, {}, "search_ready"),
    ("hold", 0.1, {**REST, "prepared": True, "decision": decided(age_s=2.1)}, {}, None),
    ("hold", 10.0, {**REST}, {}, "hold_timeout"),
    ("hold", 10.0, {}, {}, "not_at_rest"),
    ("search", 100.0, {}, {}, None),
    ("search", 100.0, {}, {"search_elapsed_s": 19.9}, None),
    ("search", 100.0, {}, {"search_elapsed_s": 20.0}, "search_timeout"),
    ("search", 1.0, {"search": FAILED, "silent_s": 0.49}, {}, None),
    ("search", 1.0, {"search": FAILED, "silent_s": 0.5}, {}, "search_failed"),
    ("search", 1.0, {"silent_s": 99.0}, {}, None),
    ("search", 1.0, {"decision": decided(age_s=2.0)}, {}, None),
    ("search", 1.0, {"decision": decided(age_s=2.1)}, {}, "detector_stale"),
    ("search", 1.0, {"decision": decided("candidate")}, {}, "candidate"),
    ("search", 1.0, {"decision": decided("candidate")}, {"cooldown_until_s": NOW}, "candidate"),
    ("search", 1.0, {"decision": decided("candidate")}, {"cooldown_until_s": NOW + 0.1}, None),
    ("search", 1.0, {"decision": decided("rejected")}, {}, None),
    ("search", 1.0, {"search": EXHAUSTED}, {}, "searched_everywhere"),
    ("search", 1.0, {"search": EXHAUSTED, "decision": decided("candidate")}, {}, "candidate"),
    ("search", 1.0, {"search": DONE}, {}, None),
    ("verify", 5.9, {"decision": decided("candidate")}, {}, None),
    ("verify", 6.0, {"decision": decided("candidate")}, {}, "verify_timeout"),
    ("verify", 1.0, {"decision": decided("rejected")}, {}, "rejected"),
    ("verify", 1.0, {"decision": decided("confirmed")}, {}, "confirmed"),
    ("verify", 1.0, {"decision": decided("confirmed", age_s=2.1)}, {}, "detector_stale"),
    ("settle", 1.9, {"still_s": 0.49}, {}, None),
    ("settle", 1.9, {**REST}, {}, "at_rest"),
    ("settle", 2.0, {}, {}, "settle_timeout"),
    ("prefetch", 2.9, {**REST}, {}, None),
    ("prefetch", 1.0, {**REST, "prepared": True}, {}, "granted"),
    ("prefetch", 1.0, {"still_s": 0.49, "prepared": True}, {}, None),
    ("prefetch", 3.0, {**REST}, {}, "prefetch_timeout"),
    ("prefetch", 3.0, {**REST}, {"prefetch_failures": 1}, "prefetch_timeout"),
    ("prefetch", 3.0, {**REST}, {"prefetch_failures": 2}, "prefetch_attempts_used"),
    ("prefetch", 0.4, {**REST, "vla": FAILED}, {}, None),
    ("prefetch", 0.5, {**REST, "vla": FAILED}, {}, "prefetch_failed"),
    ("prefetch", 0.5, {**REST, "vla": WARMING}, {}, None),
    ("grasp", 44.9, {}, {}, None),
    ("grasp", 45.0, {}, {}, "grasp_timeout"),
    ("grasp", 1.0, {"vla": FAILED, "silent_s": 0.49}, {}, None),
    ("grasp", 1.0, {"vla": FAILED, "silent_s": 0.5}, {}, "vla_failed"),
    ("grasp", 1.0, {"silent_s": 1.99}, {}, None),
    ("grasp", 1.0, {"silent_s": 2.0}, {}, "vla_silent"),
    ("grasp", 1.0, {"vla": DONE}, {}, "vla_done"),
    ("grasp", 1.0, {"target_missing": True}, LOST, "target_lost"),
    ("grasp", 1.0, {"target_missing": True}, {"lost_since_s": NOW - 5.9}, None),
    ("grasp", 1.0, {}, LOST, None),
    ("grasp", 1.0, {"target_missing": True}, {}, None),
    ("grasp", 1.0, {"grasp": HELD}, {}, None),
    ("grasp", 1.0, {"grasp": GraspReport(GraspState.HELD, 6.0)}, {}, "object_held"),
    ("grasp", 1.0, {"grasp": GraspReport(GraspState.EMPTY, 9.0)}, {}, None),
    ("grasp", 20.0, {"still_s": 9.9}, {}, None),
    ("grasp", 20.0, {"still_s": 10.0}, {}, "no_progress"),
    ("check", 2.9, {"grasp": HELD}, {}, None),
    ("check", 3.0, {"grasp": HELD}, {}, "not_at_rest"),
    ("check", 0.1, {**REST, "grasp": HELD}, {}, "grasp_held"),
    ("check", 0.1, {**REST, "grasp": EMPTY}, {}, "grasp_empty"),
    ("check", 0.1, {**REST, "grasp": OPEN}, {}, "grasp_empty"),
    ("check", 2.9, {**REST}, {}, None),
    ("check", 3.0, {**REST}, {}, "check_timeout"),
    ("retreat", 7.9, {}, {}, None),
    ("retreat", 8.0, {}, {}, "retreat_timeout"),
    ("retreat", 1.0, {"retreat": DONE}, {}, "retreated"),
    ("retreat", 1.0, {"retreat": FAILED}, {}, "retreat_failed"),
    ("retreat", 1.0, {"retreat": WARMING}, {}, None),
    ("retreat", 1.0, {"retreat": DONE}, {"grasp_failures": 2}, "retreated"),
    ("retreat", 1.0, {"retreat": DONE}, {"grasp_failures": 3}, "grasp_attempts_used"),
    ("retreat", 1.0, {}, {"grasp_failures": 3}, None),
]


@pytest.mark.parametrize(("phase", "elapsed_s", "changes", "fields", "expected"), TABLE)
def test_a_phase_ends_exactly_when_its_rule_says(phase, elapsed_s, changes, fields, expected):
    assert cause(status(phase, elapsed_s, **fields), dataclasses.replace(CALM, **changes)) == expected


@pytest.mark.parametrize(
    ("phase", "elapsed_s", "changes", "expected"),
    [
        ("hold", 0.1, {**REST}, "grasp_requested"),
        ("hold", 0.1, {**REST, "prepared": True, "vla": WARMING}, None),
        ("hold", 10.0, {**REST, "vla": WARMING}, "hold_timeout"),
        ("hold", 9.9, {}, None),
        ("hold", 10.0, {}, "not_at_rest"),
        ("retreat", 1.0, {"retreat": DONE}, "grasp_retried"),
        ("retreat", 1.0, {}, None),
    ],
)
def test_the_generalist_alone_has_its_own_way(phase, elapsed_s, changes, expected):
    assert cause(status(phase, elapsed_s), dataclasses.replace(CALM, **changes), ALONE) == expected


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.terminal])
def test_what_ends_every_phase(phase):
    fresh = status(phase)
    assert cause(fresh, CALM) is None
    assert cause(fresh, dataclasses.replace(CALM, observation_age_s=1.0)) is None
    assert cause(fresh, dataclasses.replace(CALM, observation_age_s=1.1)) == CauseName.OBSERVATION_STALE
    assert cause(fresh, dataclasses.replace(CALM, interrupted=True)) == CauseName.INTERRUPTED
    assert cause(fresh, dataclasses.replace(CALM, robot_fault="x", interrupted=True)) == CauseName.ROBOT_FAULT
    old = dataclasses.replace(fresh, started_s=NOW - 300.0)
    assert cause(old, CALM) == CauseName.EPISODE_TIMEOUT
    assert cause(dataclasses.replace(fresh, started_s=NOW - 299.9), CALM) is None


def test_a_lost_link_needs_no_inputs_and_is_latched():
    after, why = fault(status("grasp", grasp_failures=1), "unplugged", NOW, CONFIG)
    assert (after.phase, after.stop_reason, str(why)) == (
        Phase.FAULT_HOLD,
        StopReason.ROBOT_FAULT,
        "robot_fault: unplugged",
    )
    assert after.grasp_failures == 2
    assert fault(after, "again", NOW + 1.0, CONFIG) == (after, None)


def test_the_start_prepares_the_search_if_there_is_one():
    assert start(NOW, CONFIG, epoch=3).pending == Lease(Holder.SEARCH, 4)
    assert start(NOW, ALONE).pending is None


def test_the_target_is_followed_only_during_a_grasp():
    missing = dataclasses.replace(CALM, target_missing=True)
    first, _ = step(status("grasp"), missing, NOW, CONFIG)
    assert first.lost_since_s == NOW
    later, _ = step(first, missing, NOW + 1.0, CONFIG)
    assert later.lost_since_s == NOW
    seen, _ = step(later, CALM, NOW + 2.0, CONFIG)
    assert seen.lost_since_s is None
    assert step(status("search"), missing, NOW, CONFIG)[0].lost_since_s is None


def test_search_time_adds_up_over_visits():
    candidate = dataclasses.replace(CALM, decision=decided("candidate"))
    verify, _ = step(status("search", 10.0, search_elapsed_s=5.0), candidate, NOW, CONFIG)
    assert verify.search_elapsed_s == pytest.approx(15.0)
    rejected = dataclasses.replace(CALM, decision=decided("rejected"))
    search, _ = step(verify, rejected, NOW + 2.0, CONFIG)
    assert search.search_elapsed_s == pytest.approx(17.0)
    assert search.cooldown_until_s == NOW + 2.0 + CONFIG.cooldown_s


@pytest.mark.parametrize("phase", ["settle", "verify"])
def test_a_candidate_that_timed_out_is_left_alone_for_a_while(phase):
    after, _ = step(status(phase, 6.0), CALM, NOW, CONFIG)
    assert after.cooldown_until_s == NOW + CONFIG.cooldown_s


def test_counts_of_grants_and_failures():
    rest = dataclasses.replace(CALM, **REST)
    failed, _ = step(status("prefetch", 3.0), rest, NOW, CONFIG)
    assert (failed.prefetch_failures, failed.cooldown_until_s) == (1, -math.inf)
    granted, _ = step(
        status("prefetch", prefetch_failures=2, pending=Lease(Holder.VLA, 8)),
        dataclasses.replace(rest, prepared=True),
        NOW,
        CONFIG,
    )
    assert (granted.handoffs, granted.prefetch_failures, granted.lease) == (1, 0, Lease(Holder.VLA, 8))
    done = dataclasses.replace(CALM, vla=DONE)
    checked, _ = step(granted, done, NOW, CONFIG)
    assert checked.grasp_failures == 0
    held, _ = step(checked, dataclasses.replace(rest, grasp=HELD), NOW, CONFIG)
    assert (held.grasp_failures, held.stop_reason) == (0, StopReason.COMPLETED)
    empty, _ = step(checked, dataclasses.replace(rest, grasp=EMPTY), NOW, CONFIG)
    assert empty.grasp_failures == 1
    stopped, _ = step(granted, dataclasses.replace(CALM, interrupted=True), NOW, CONFIG)
    assert stopped.grasp_failures == 1
    searching, _ = step(status("search"), dataclasses.replace(CALM, interrupted=True), NOW, CONFIG)
    assert searching.grasp_failures == 0
