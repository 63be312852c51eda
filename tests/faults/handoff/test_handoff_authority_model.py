"""Exhaustive breadth-first search over the real `authority.step`.

Time is discrete and every status is translated to time zero, so the reachable statuses are finitely many. Inputs are
resolved lazily: an input is only branched on when a rule reads it, so every reaction to every input is covered.
"""

import collections
import dataclasses
import math

import pytest

from handoff import authority
from handoff.authority import AuthorityConfig, CauseName
from handoff.grasp_check import GraspReport, GraspState
from handoff.interfaces import TriggerDecision, TriggerState
from handoff.phases import HOLDERS, Phase, StopReason
from handoff.transitions import TRANSITIONS
from robots.types import Holder, Lease, SkillHealth, SkillState

TICK_S = 1.0
STILL_S = 0.5

# With one-second ticks, time-outs of a few seconds keep the waiting times to a handful of values.
MODEL = AuthorityConfig(
    episode_timeout_s=math.inf,
    hold_timeout_s=3.0,
    search_timeout_s=6.0,
    verify_timeout_s=3.0,
    settle_timeout_s=2.0,
    prefetch_timeout_s=2.0,
    grasp_timeout_s=4.0,
    check_timeout_s=2.0,
    retreat_timeout_s=2.0,
    failed_grace_s=1.0,
    lost_timeout_s=2.0,
    still_s=STILL_S,
    cooldown_s=2.0,
    max_grasps=3,
    max_prefetches=3,
)

SKILLS = {name: tuple(SkillHealth(state) for state in SkillState) for name in ("search", "vla", "retreat")}
CHOICES = {
    **SKILLS,
    "decision.state": tuple(TriggerState),
    "decision.frame_age_s": (0.0, math.inf),
    "prepared": (False, True),
    "still_s": (0.0, STILL_S, MODEL.no_progress_s),
    "silent_s": (0.0, MODEL.failed_grace_s, MODEL.silence_timeout_s),
    "target_missing": (False, True),
    "grasp": tuple(GraspReport(state, held) for state in GraspState for held in (0.0, MODEL.held_s)),
    "observation_age_s": (0.0, MODEL.observation_timeout_s + 1.0),
    "robot_fault": ("", "link lost"),
    "interrupted": (False, True),
}
FAULTLESS = {"observation_age_s": 0.0, "robot_fault": "", "interrupted": False}


class Chooser:
    """Answers reads of inputs from a script, and notes which reads went beyond it."""

    def __init__(self, script, fixed):
        self._script = script
        self._fixed = fixed
        self.read = {}

    def get(self, name):
        if name in self._fixed:
            return self._fixed[name]
        if name not in self.read:
            position = len(self.read)
            self.read[name] = self._script[position] if position < len(self._script) else 0
        return CHOICES[name][self.read[name]]


class LazyDecision:
    def __init__(self, chooser):
        self._chooser = chooser

    def __getattr__(self, name):
        if name in ("evidence_nats", "detail"):
            return {"evidence_nats": 0.0, "detail": ""}[name]
        return self._chooser.get(f"decision.{name}")


class LazyInputs:
    def __init__(self, chooser):
        self._chooser = chooser
        self.decision = LazyDecision(chooser)

    def __getattr__(self, name):
        return self._chooser.get(name)


def reactions(status, config, fixed):
    """Yield (inputs read, next status, cause) for every distinguishable input."""
    script = []
    while True:
        chooser = Chooser(script, fixed)
        after, cause = authority.step(status, LazyInputs(chooser), 0.0, config)
        yield {name: CHOICES[name][index] for name, index in chooser.read.items()}, after, cause
        script = list(chooser.read.values())
        names = list(chooser.read)
        while script and script[-1] + 1 == len(CHOICES[names[len(script) - 1]]):
            script.pop()
        if not script:
            return
        script[-1] += 1


def translate(status, config):
    """Move to time zero one tick later; waiting longer than every time-out makes no difference."""

    def past(time_s, horizon_s):
        return None if time_s is None else max(time_s - TICK_S, -horizon_s)

    epoch = status.lease.epoch
    return dataclasses.replace(
        status,
        lease=Lease(status.lease.holder, 0),
        pending=None if status.pending is None else Lease(status.pending.holder, status.pending.epoch - epoch),
        since_s=past(status.since_s, 7.0),
        started_s=0.0,
        handoffs=0,
        lost_since_s=past(status.lost_since_s, 3.0),
        cooldown_until_s=past(max(status.cooldown_until_s, -5.0), 0.0),
        search_elapsed_s=min(status.search_elapsed_s, 7.0),
    )


def explore(config, fixed):
    """Return {status: [(inputs, after, cause, translated after)]} over all reachable statuses."""
    start = translate(authority.start(0.0, config), config)
    graph, queue = {}, collections.deque([start])
    while queue:
        status = queue.popleft()
        if status in graph:
            continue
        graph[status] = [
            (inputs, after, cause, translate(after, config))
            for inputs, after, cause in reactions(status, config, fixed)
        ]
        queue.extend(following for *_, following in graph[status] if following not in graph)
    return graph


@pytest.fixture(scope="module", params=[True, False], ids=["search", "generalist"])
def model(request):
    config = dataclasses.replace(MODEL, search=request.param)
    return config, explore(config, {})


@pytest.fixture(scope="module")
def graph(model):
    return model[1]


def edges(graph):
    return [(status, *reaction) for status, reactions_ in graph.items() for reaction in reactions_]


def test_the_model_is_not_trivial(model):
    config, graph = model
    assert len(graph) > (1_000 if config.search else 50)
    assert sum(map(len, graph.values())) > (10_000 if config.search else 1_000)


def test_every_phase_and_every_declared_transition_is_reached_and_no_other():
    taken = set()
    for search in (True, False):
        for status, _, after, cause, _ in edges(explore(dataclasses.replace(MODEL, search=search), {})):
            if cause is not None:
                taken.add((status.phase, cause.name, after.phase))
    # The episode time-out is proven for every status on its own.
    declared = {
        (source, name, target)
        for source, exits in TRANSITIONS.items()
        for name, target in exits.items()
        if name is not CauseName.EPISODE_TIMEOUT
    }
    assert taken == declared
    assert {phase for phase, *_ in taken} | {target for *_, target in taken} == set(Phase)


def test_one_phase_one_holder(graph):
    assert all(status.lease.holder is HOLDERS[status.phase] for status in graph)


def test_a_change_of_phase_is_a_change_of_lease_with_a_higher_epoch(graph):
    for status, _, after, cause, _ in edges(graph):
        assert (after.phase is not status.phase) == (cause is not None)
        if cause is None:
            assert after.lease == status.lease
        else:
            assert after.lease.epoch > status.lease.epoch
            assert cause.evidence


def test_a_pending_lease_is_granted_under_its_own_epoch_or_never(graph):
    for status, _, after, cause, _ in edges(graph):
        if status.pending is not None and cause is not None:
            granted = cause.name in (CauseName.GRANTED, CauseName.SEARCH_READY)
            assert (after.lease == status.pending) == granted
            assert granted or after.lease.epoch > status.pending.epoch
        if after.pending is not None:
            assert after.pending.epoch > after.lease.epoch
            assert after.lease.holder is Holder.GATE


def test_exactly_the_waiting_phases_name_the_next_holder(model):
    config, graph = model
    waiting = {Phase.PREFETCH: Holder.VLA} | ({Phase.HOLD: Holder.SEARCH} if config.search else {})
    for status in graph:
        assert (status.pending.holder if status.pending else None) == waiting.get(status.phase)


def test_the_robot_passes_to_another_skill_only_through_the_gate_and_at_rest(graph):
    for status, inputs, after, _, _ in edges(graph):
        if after.lease.holder not in (status.lease.holder, Holder.GATE):
            assert status.lease.holder is Holder.GATE
            assert inputs["still_s"] >= STILL_S


def test_faults_win_over_everything(graph):
    for status, inputs, after, cause, _ in edges(graph):
        if status.terminal:
            continue
        if inputs["robot_fault"]:
            assert after.phase is Phase.FAULT_HOLD
            assert cause.name is CauseName.ROBOT_FAULT
        elif inputs["observation_age_s"]:
            assert after.phase is Phase.FAULT_HOLD
        elif inputs["interrupted"]:
            assert after.stop_reason is StopReason.INTERRUPTED


def test_a_terminal_phase_is_latched_has_a_reason_and_belongs_to_the_gate(graph):
    for status, _, after, cause, _ in edges(graph):
        assert status.terminal == (status.stop_reason is not None)
        if status.terminal:
            assert after == status
            assert cause is None
            assert status.lease.holder is Holder.GATE


def test_the_end_is_reachable_from_everywhere_without_faults(model):
    config, _ = model
    graph = explore(config, FAULTLESS)
    before = collections.defaultdict(set)
    for status, _, _, _, following in edges(graph):
        before[following].add(status)
    reached = {status for status in graph if status.terminal}
    queue = collections.deque(reached)
    while queue:
        for status in before[queue.popleft()] - reached:
            reached.add(status)
            queue.append(status)
    assert reached == set(graph)


def test_the_episode_timeout_ends_every_phase_at_once(model):
    config, graph = model
    limited = dataclasses.replace(config, episode_timeout_s=100.0)
    for status in graph:
        old = dataclasses.replace(status, started_s=-100.0)
        for _, after, _ in reactions(old, limited, FAULTLESS):
            assert after.terminal


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.terminal])
def test_no_phase_outlasts_its_timeout(model, phase):
    config, graph = model
    staying = [
        -status.since_s
        for status, _, after, _, _ in edges(graph)
        if status.phase is phase and after.phase is status.phase
    ]
    assert max(staying, default=0.0) < getattr(config, f"{phase}_timeout_s")


def test_attempts_are_bounded(model):
    config, graph = model
    assert max(status.grasp_failures for status in graph) <= config.max_grasps
    assert max(status.prefetch_failures for status in graph) < config.max_prefetches


@pytest.mark.parametrize("cause", [CauseName.CANDIDATE, CauseName.CONFIRMED, CauseName.GRANTED])
def test_the_way_to_the_generalist_needs_the_trigger(cause):
    graph = explore(MODEL, {**FAULTLESS, "decision.state": TriggerState.ABSENT})
    assert cause not in {taken.name for *_, taken, _ in edges(graph) if taken is not None}
    assert Phase.GRASP not in {status.phase for status in graph}


def test_step_reads_real_inputs_too():
    decision = TriggerDecision(TriggerState.CANDIDATE, 5.0, None, False, False, 0.0)
    ready = SkillHealth(SkillState.READY)
    inputs = authority.Inputs(decision, ready, ready, ready, True, 1.0, 0.0, False, GraspReport(GraspState.OPEN), 0.0)
    status, cause = authority.step(authority.start(0.0, MODEL), inputs, 0.1, MODEL)
    assert status.phase is Phase.SEARCH
    status, cause = authority.step(status, inputs, 0.2, MODEL)
    assert (status.phase, str(cause)) == (Phase.VERIFY, "candidate: evidence 5.00 nats")
