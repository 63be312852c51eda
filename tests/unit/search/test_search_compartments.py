import numpy as np
import pytest
from search_fixtures import INTRINSICS, REGION, TASK, KinematicWorld

from robots.errors import UsageError
from robots.sim.furniture import CABINET
from robots.types import Detection, DetectionFrame, Holder, Lease
from search_policy.memory.evidence import Evidence, EvidenceConfig, missed
from search_policy.memory.seen_map import SeenMap, SeenMapConfig
from search_policy.motion.geometry import look_at
from search_policy.motion.keepout import KeepOut
from search_policy.motion.route import Router
from search_policy.motion.viewpoints import ViewConfig, candidate_views
from search_policy.searchers.choosers import SweepChooser
from search_policy.searchers.planner import PlannedCoverage
from search_policy.skill import SearchSkill

CABINET_REGION = CABINET.region
VIEWS = candidate_views(CABINET_REGION, ViewConfig())
DRAWER = [c.name for c in CABINET_REGION.compartments].index("drawer")


def new_map():
    return SeenMap(CABINET_REGION, INTRINSICS, VIEWS, SeenMapConfig())


def seen_in(seen_map, index):
    return seen_map.channels()[0, index].mean()


def test_a_shut_door_hides_its_compartment_until_it_is_open():
    seen = new_map()
    index = [c.name for c in CABINET_REGION.compartments].index("cabinet_left")
    seen.close({"door_left"})
    for view in VIEWS:
        seen.update(view.camera_to_world)
    assert seen_in(seen, index) == 0.0
    assert seen_in(seen, index + 1) == 1.0
    seen.close(())
    for view in VIEWS:
        seen.update(view.camera_to_world)
    assert seen.coverage == 1.0


def test_an_unknown_closure_is_named():
    with pytest.raises(UsageError, match="door_lef"):
        new_map().close({"door_lef"})


def test_a_drawer_is_seen_from_above_and_not_through_its_front():
    seen = new_map()
    start = np.array([0.25, -0.285, 0.13])
    seen.update(look_at(start, start + np.array([1.0, 0.0, 0.0])))
    assert seen_in(seen, DRAWER) == 0.0
    seen.update(next(v for v in VIEWS if v.name == "drawer.above0").camera_to_world)
    assert seen_in(seen, DRAWER) > 0.7


def test_a_prior_of_another_resolution_is_shared_out_and_rejection_never_reaches_zero():
    seen = new_map()
    prior = np.zeros((len(CABINET_REGION.compartments), 4))
    prior[DRAWER, 0] = 1.0
    weights = seen.point_weights(prior).reshape(len(prior), 12, -1).sum(axis=2)
    assert weights[DRAWER, :3].sum() == pytest.approx(1.0)
    place = np.array([0.55, -0.30, 0.10])
    before = seen.point_weights().reshape(len(prior), 12, -1).sum(axis=2)
    for _ in range(20):
        seen.reject(place)
    after = seen.point_weights().reshape(len(prior), 12, -1).sum(axis=2)
    changed = np.argwhere(after < before)
    assert changed.tolist() == [[DRAWER, int((-0.30 + 0.405) / 0.24 * 12)]]
    assert after.min() > 0.0
    with pytest.raises(UsageError, match="shape"):
        seen.point_weights(np.ones((2, 12)))


def test_a_second_look_from_another_side_is_worth_more_than_one_from_the_same():
    evidence = Evidence(np.array([0.6]), 0.25, EvidenceConfig())
    once = [evidence.add(np.array([True]), np.ones(1), np.zeros(1)) for _ in range(3)] and missed(evidence.detection())
    for _ in range(3):
        evidence.add(np.array([True]), np.ones(1), np.zeros(1))
    assert missed(evidence.detection()) == once
    for _ in range(3):
        evidence.add(np.array([True]), np.ones(1), np.full(1, 0.5))
    assert missed(evidence.detection()) < 0.6 * once


def test_the_prior_decides_where_planned_coverage_looks_first():
    def first(prior):
        chooser = PlannedCoverage()
        skill = SearchSkill(chooser, REGION, INTRINSICS)
        chooser.weigh(prior)
        skill.reset(TASK)
        skill.propose(KinematicWorld().observe(), None, Lease(Holder.SEARCH, 1))
        return skill.views[skill.decision.view].shelf

    for shelf in range(3):
        prior = np.full((3, 12), 0.01)
        prior[shelf, 8:] = 1.0
        assert first(prior) == shelf


def test_a_lease_that_ended_on_a_detection_lowers_that_place_and_no_other_does():
    def weights_after(detected):
        world = KinematicWorld()
        skill = SearchSkill(SweepChooser(candidate_views(REGION, ViewConfig())), REGION, INTRINSICS)
        skill.reset(TASK)
        observation = world.observe()
        found = (Detection((38, 38, 46, 46), 0.8, "duck"),) if detected else ()
        frame = DetectionFrame(observation.capture_id, observation.captured_at_s, "wrist", 84, 84, found)
        skill.propose(observation, frame, Lease(Holder.SEARCH, 1))
        skill.propose(observation, None, Lease(Holder.SEARCH, 4))
        return skill.seen_map.point_weights()

    assert np.ptp(weights_after(detected=False)) == 0.0
    assert (weights_after(detected=True) < 0.9 / len(weights_after(detected=True))).sum() == 4


def test_ways_between_views_keep_clear_of_the_drawer():
    router, keep_out = Router.of(CABINET_REGION), KeepOut.of(CABINET_REGION)
    named = {view.name: view.camera_to_world for view in VIEWS}
    start, end = named["shelf0_center.straight0"], named["drawer.above0"]
    assert not keep_out.is_clear(start, end)
    via = router.via(start, end)
    assert via is not None
    assert keep_out.is_clear(start, via)
    assert router.via(end, end) is end
