"""Every searcher over every furniture: choices are valid, views reachable and clear, and everything gets seen."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.region import Compartment, Opening, SearchRegion
from robots.sim.arm import HOME_RAD
from robots.sim.furniture import FURNITURE
from robots.sim.kinematics import LOWER_RAD, UPPER_RAD, ArmKinematics
from robots.types import CameraIntrinsics, Holder, Lease, Observation, SkillState, Task
from search_policy.memory.sightline import place_of
from search_policy.motion.keepout import KeepOut
from search_policy.motion.viewpoints import ViewConfig, candidate_views
from search_policy.searchers.choosers import CoverageChooser, RandomChooser, SweepChooser
from search_policy.searchers.oracle import FirstOpen
from search_policy.searchers.planner import PlannedCoverage, PlannerConfig
from search_policy.skill import SearchConfig, SearchSkill

HOME = np.array(HOME_RAD)
INTRINSICS = CameraIntrinsics(84, 84, 60.0)
SCENES = [name for name, furniture in FURNITURE.items() if furniture.arm == "panda"]
CHOOSERS = {
    "sweep": SweepChooser,
    "random": lambda views: RandomChooser(),
    "greedy": lambda views: CoverageChooser(),
    "coverage": lambda views: PlannedCoverage(),
    "lookahead": lambda views: PlannedCoverage(PlannerConfig(horizon=3)),
    "oracle": lambda views: FirstOpen((2, 0)),
}


class KinematicArm:
    """The arm's own kinematics without dynamics: the joint limits count, nothing is rendered."""

    def __init__(self):
        self.kinematics, self.q, self.captures = ArmKinematics(HOME), HOME.copy(), 0

    def observe(self):
        pose = self.kinematics.forward(self.q)
        return Observation(
            captured_at_s=self.captures / 15,
            capture_id=self.captures,
            images={"wrist": np.zeros((84, 84, 3), np.uint8)},
            joint_positions_rad=self.q.copy(),
            joint_velocities_rad_s=np.zeros(7),
            gripper=0.0,
            gripper_to_world=pose.gripper_to_world,
            camera_to_world={"wrist": pose.camera_to_world},
        )

    def act(self, twist):
        velocity = self.kinematics.twist_to_joint_velocity(self.q, twist, dt_s=1 / 15)
        self.q, self.captures = np.clip(self.q + velocity / 15, LOWER_RAD, UPPER_RAD), self.captures + 1


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("name", CHOOSERS)
def test_every_searcher_looks_into_everything_without_coming_near_the_furniture(name, scene):
    region = FURNITURE[scene].region
    views, keep_out, arm = candidate_views(region, ViewConfig()), KeepOut.of(region), KinematicArm()
    skill = SearchSkill(CHOOSERS[name](views), region, INTRINSICS, config=SearchConfig(passes=1), seed=1)
    skill.reset(Task("t", "duck", "Pick up the duck."))
    order, last, air = [], None, []
    for _ in range(1500):
        command = skill.propose(arm.observe(), None, Lease(Holder.SEARCH, 1))
        if command is None:
            break
        if skill.decision is not last:
            last = skill.decision
            assert last.state.mask[last.view]
            order.append(last.view)
        arm.act(command.action.values)
        air.append(float(keep_out.clearance_m(arm.observe().camera_to_world["wrist"])))
    assert skill.health().state is SkillState.EXHAUSTED
    assert sorted(order) == list(range(len(views)))
    assert skill.seen_map.coverage == 1.0
    assert min(air) > -0.012


@pytest.mark.parametrize("scene", SCENES)
def test_every_view_is_reachable_and_clear(scene):
    region = FURNITURE[scene].region
    kinematics, keep_out, rng = ArmKinematics(HOME), KeepOut.of(region), np.random.default_rng(0)
    pose = kinematics.forward(HOME)
    to_gripper = np.linalg.inv(pose.camera_to_world) @ pose.gripper_to_world
    for view in candidate_views(region, ViewConfig()):
        assert kinematics.solve(view.camera_to_world @ to_gripper, [HOME], rng) is not None, view.name
        assert keep_out.clearance_m(view.camera_to_world) >= keep_out.config.margin_m - 1e-9, view.name
        entered = place_of(region, view.camera_to_world[:3, 3], view.camera_to_world[:3, 2])
        assert region.compartments[view.shelf].holds(entered, slack_m=0.06), view.name


@st.composite
def regions(draw):
    widths = draw(st.lists(st.floats(0.22, 0.5), min_size=1, max_size=3))
    edges = np.concatenate([[0.0], np.cumsum(widths)]) - sum(widths) / 2
    front, parts = draw(st.floats(0.6, 0.75)), []
    for level in range(draw(st.integers(1, 3))):
        for bay, (right, left) in enumerate(pairwise(edges)):
            closure = f"door{level}{bay}" if draw(st.booleans()) and bay in (0, len(widths) - 1) else ""
            place = (front, 0.28, float(right) + 0.01, float(left) - 0.01, 0.3 + 0.3 * level, 0.26)
            parts.append(Compartment(f"c{level}{bay}", *place, closure=closure))
    if draw(st.booleans()):
        span = (float(edges[0]) + 0.02, float(edges[1]) - 0.02)
        parts.insert(0, Compartment("drawer", front - 0.2, 0.19, *span, 0.07, 0.12, Opening.TOP, closure="drawer"))
    return SearchRegion(tuple(parts))


@settings(max_examples=25, deadline=None)
@given(regions())
def test_views_of_any_furniture_look_into_their_own_compartment(region):
    views = candidate_views(region, ViewConfig())
    assert {view.shelf for view in views} == set(range(len(region.compartments)))
    assert len({view.name for view in views}) == len(views)
    body = KeepOut.of(region)
    for view in views:
        assert body.clearance_m(view.camera_to_world) > 0.0, view.name
        assert region.compartments[view.shelf].holds(view.aim_m)
