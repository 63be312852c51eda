import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.interfaces import TriggerState
from handoff.trigger import SequentialTrigger, TriggerConfig
from handoff.trigger.evidence import DependenceConfig
from handoff.trigger.fixation import FixationConfig, missing_guard
from robots.errors import UsageError
from robots.types import CameraIntrinsics, Detection, DetectionFrame, Observation, Task

TASK = Task("bookshelf", "pineapple", "pick up the pineapple")
CAMERAS = {"wrist": CameraIntrinsics(100, 100, 90.0)}
DT_S = 1.0 / 15.0
CENTRE = (40.0, 40.0, 60.0, 60.0)
ASIDE = (5.0, 5.0, 20.0, 20.0)
CONFIG = TriggerConfig()


class Scene:
    """Feeds the trigger one observation and one frame per control period."""

    def __init__(self, config=CONFIG):
        self.trigger = SequentialTrigger(config, CAMERAS)
        self.trigger.reset(TASK)
        self.now, self.capture, self.frame, self.x_m = 0.0, 0, None, 0.0

    def step(self, *boxes, speed=0.0, move_m=0.0, camera="wrist", capture=None):
        """Advance one period; boxes are (box, score)."""
        self.now += DT_S
        self.capture += 1
        self.x_m += move_m
        found = tuple(Detection(box, score, "pineapple") for box, score in boxes)
        capture = self.capture if capture is None else capture
        self.frame = DetectionFrame(capture, self.now, camera, 100, 100, found)
        return self.update(speed)

    def idle(self, speed=0.0):
        """Advance one period without a new detector result."""
        self.now += DT_S
        self.capture += 1
        return self.update(speed)

    def update(self, speed=0.0):
        pose = np.eye(4)
        pose[0, 3] = self.x_m
        observation = Observation(
            self.now, self.capture, {}, np.zeros(7), np.full(7, speed), 0.0, np.eye(4), {"wrist": pose}
        )
        return self.trigger.update(self.frame, observation, self.now)

    def until(self, state, *boxes, limit=200, **kwargs):
        """Return the number of periods until `state`."""
        for count in range(1, limit + 1):
            decision = self.step(*boxes, **kwargs)
            if decision.state is state:
                return count, decision
        return None, decision


def verifying(scene=None, box=CENTRE):
    scene = scene or Scene()
    assert scene.until(TriggerState.CANDIDATE, (box, 0.9))[0]
    scene.trigger.verify()
    return scene


def test_a_target_becomes_a_candidate_and_is_confirmed_by_new_frames():
    scene = verifying()
    count, decision = scene.until(TriggerState.CONFIRMED, (CENTRE, 0.9))
    assert 1 < count <= 25
    assert decision.fixated
    assert decision.visible
    assert decision.target.box_xyxy_px == CENTRE
    assert decision.evidence_nats >= math.log(0.95 / 0.01)


def test_no_single_frame_makes_a_candidate():
    assert Scene().step((CENTRE, 1.0)).state is TriggerState.ABSENT


def test_nothing_in_view_stays_absent():
    scene = Scene()
    for _ in range(100):
        decision = scene.step()
        assert decision.state is TriggerState.ABSENT
        assert decision.evidence_nats == 0.0
        assert not decision.visible


def test_low_scores_never_become_a_candidate():
    assert Scene().until(TriggerState.CANDIDATE, (CENTRE, 0.4))[0] is None


def test_a_candidate_that_disappears_is_rejected():
    scene = verifying()
    count, decision = scene.until(TriggerState.REJECTED)
    assert count <= CONFIG.sprt.max_frames
    assert decision.evidence_nats <= 0.0


def test_a_doubtful_candidate_is_rejected_when_the_frames_run_out():
    scene = verifying()
    count, _ = scene.until(TriggerState.REJECTED, (CENTRE, 0.5))
    assert count == CONFIG.sprt.max_frames


def test_the_second_look_uses_no_evidence_of_the_first():
    scene = verifying()
    assert scene.update().evidence_nats == 0.0
    assert scene.step((CENTRE, 0.9)).evidence_nats < CONFIG.candidate_nats


def test_a_new_object_elsewhere_does_not_confirm_the_candidate():
    scene = verifying()
    assert scene.until(TriggerState.REJECTED, (ASIDE, 0.99))[0]


def test_a_duplicate_frame_adds_nothing():
    scene = Scene()
    scene.step((CENTRE, 0.9))
    evidence = scene.step((CENTRE, 0.9)).evidence_nats
    for _ in range(3):
        assert scene.idle().evidence_nats == evidence
    assert scene.step((CENTRE, 0.9), capture=1).evidence_nats == evidence


def test_a_stale_frame_freezes_and_never_makes_a_candidate():
    scene = Scene()
    scene.step((CENTRE, 0.9))
    evidence = scene.step((CENTRE, 0.9)).evidence_nats
    for _ in range(30):
        decision = scene.idle()
    assert decision.evidence_nats == evidence
    assert decision.frame_age_s == pytest.approx(2.0)
    assert not decision.fixated
    assert "old" in decision.detail


def test_a_frame_that_arrives_stale_adds_nothing():
    scene = Scene()
    scene.now += 5.0
    late = DetectionFrame(1, scene.now - 0.6, "wrist", 100, 100, (Detection(CENTRE, 1.0, "x"),))
    scene.frame = late
    for _ in range(5):
        assert scene.idle().evidence_nats == 0.0


def test_before_the_first_frame_the_age_is_infinite():
    assert Scene().update().frame_age_s == math.inf


def test_staring_adds_less_than_moving():
    config = dataclasses.replace(CONFIG, dependence=DependenceConfig(still_correlation=0.9))
    still, _ = Scene(config).until(TriggerState.CANDIDATE, (CENTRE, 0.8))
    moving, _ = Scene(config).until(TriggerState.CANDIDATE, (CENTRE, 0.8), move_m=0.1)
    assert moving < still


def test_the_candidate_is_followed_through_camera_motion():
    scene = Scene()
    box = (70.0, 40.0, 82.0, 52.0)
    for _ in range(6):
        # Nominal range 0.5 m: the image moves 90 * 0.08 / 0.5 = 14.4 px per step, more than a box's width.
        decision = scene.step((box, 0.85), move_m=0.08)
        box = (box[0] - 14.4, box[1], box[2] - 14.4, box[3])
    assert decision.state is TriggerState.CANDIDATE


@pytest.mark.parametrize("speed", [0.06, math.nan])
def test_a_moving_arm_is_never_confirmed(speed):
    scene = verifying()
    count, decision = scene.until(TriggerState.CONFIRMED, (CENTRE, 0.95), speed=speed)
    assert count is None
    assert not decision.fixated
    assert "at rest" in decision.detail


def test_an_off_centre_target_is_never_confirmed():
    scene = verifying(box=ASIDE)
    count, decision = scene.until(TriggerState.CONFIRMED, (ASIDE, 0.95))
    assert count is None
    assert decision.state is TriggerState.CANDIDATE
    assert "off centre" in decision.detail


def test_confirmation_is_latched_until_search_and_the_target_is_watched_on():
    scene = verifying()
    scene.until(TriggerState.CONFIRMED, (CENTRE, 0.9))
    gone = scene.step()
    assert gone.state is TriggerState.CONFIRMED
    assert not gone.visible
    assert scene.step((ASIDE, 0.9)).visible  # found again elsewhere in the image: the hand moves fast and near
    scene.trigger.search()
    assert scene.update().state is TriggerState.ABSENT
    assert scene.step((CENTRE, 0.9)).state is TriggerState.ABSENT


def test_several_candidates_are_judged_apart():
    scene = Scene()
    for index in range(40):
        # Two spots that show something only every other frame: neither persists.
        decision = scene.step((CENTRE if index % 2 else ASIDE, 0.8))
        assert decision.state is TriggerState.ABSENT
    assert scene.until(TriggerState.CANDIDATE, (CENTRE, 0.9), (ASIDE, 0.4))[1].target.box_xyxy_px == CENTRE


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), max_size=60))
def test_evidence_never_exceeds_what_the_frames_gave(frames):
    scene, bound = Scene(), 0.0
    for score, fresh in frames:
        decision = scene.step((CENTRE, score)) if fresh else scene.idle()
        bound += 3.0 if fresh else 0.0
        assert 0.0 <= decision.evidence_nats <= bound
        assert decision.state in (TriggerState.ABSENT, TriggerState.CANDIDATE)


@given(st.lists(st.floats(0.0, 0.45), max_size=60))
def test_confirmation_needs_evidence_for_the_target(scores):
    scene = verifying()
    for score in scores:
        assert scene.step((CENTRE, score)).state is not TriggerState.CONFIRMED


def test_reset_forgets_everything():
    scene = verifying()
    scene.trigger.reset(TASK)
    scene.frame = None
    assert scene.update().state is TriggerState.ABSENT


def test_an_unknown_camera_is_named():
    with pytest.raises(UsageError, match="wrist"):
        Scene().step((CENTRE, 0.9), camera="overhead")


FRAME = DetectionFrame(1, 0.0, "wrist", 100, 100)
GUARDS = FixationConfig(area_max=0.3)


@pytest.mark.parametrize(
    ("box", "still_s", "missing"),
    [
        (CENTRE, 1.0, ""),
        ((75.0, 40.0, 95.0, 60.0), 1.0, "off centre"),
        ((40.0, 75.0, 60.0, 95.0), 1.0, "off centre"),
        ((48.0, 48.0, 52.0, 52.0), 1.0, "covers"),
        ((10.0, 10.0, 90.0, 90.0), 1.0, "covers"),
        ((30.5, 0.5, 35.5, 95.5), 1.0, "border"),
        (CENTRE, 0.1, "at rest"),
    ],
)
def test_fixation_guards(box, still_s, missing):
    guard = missing_guard(Detection(box, 0.9, "x"), FRAME, still_s, GUARDS)
    assert missing in guard
    assert bool(guard) == bool(missing)


@pytest.mark.parametrize("values", [{"area_min": 0.6}, {"frames": 0}, {"speed_rad_s": 0.0}])
def test_impossible_guards_are_refused(values):
    with pytest.raises(UsageError):
        FixationConfig(**values)


def test_impossible_thresholds_are_refused():
    with pytest.raises(UsageError):
        TriggerConfig(candidate_nats=0.0)
