"""What is open is looked at first; doors are opened one by one, and an opening that fails does not end the search."""

import dataclasses

import numpy as np
import pytest

from robots.errors import PlanningError
from robots.sim.furniture import CABINET
from robots.types import ActionSpace, Holder, Lease, SkillState
from search_policy.interactive import PATIENCE_STEPS, InteractiveSearchSkill
from search_policy.motion.viewpoints import ViewConfig
from search_policy.searchers.choosers import SweepChooser
from search_policy.skill import SearchConfig, SearchSkill
from tests.unit.search.search_fixtures import INTRINSICS, TASK, KinematicWorld

CONFIG = SearchConfig(views=ViewConfig(columns=1, obliques=0), passes=1)
LEASE = Lease(Holder.SEARCH, 1)


@dataclasses.dataclass
class Motion:
    joints_rad: np.ndarray
    gripper: np.ndarray


class FakeOpener:
    """Opens at the end of three joint targets; `stuck` parts cannot be planned, `heavy` ones stay shut."""

    def __init__(self, shut, *, stuck=(), heavy=()):
        self.shut, self.stuck, self.heavy, self.planned = list(shut), stuck, heavy, []

    def closed(self):
        return tuple(self.shut)

    def plan(self, closure, observation):
        self.planned.append(closure)
        if closure in self.stuck:
            raise PlanningError("out of reach")
        if closure not in self.heavy:
            self.shut.remove(closure)
        return Motion(np.outer([0.1, 0.2, 0.1], np.ones(7)), np.array([0.0, 1.0, 0.0]))


class JointWorld(KinematicWorld):
    """Follows joint targets too, unless it is jammed."""

    jammed = False

    def act(self, action):
        if action is not None and action.space is ActionSpace.JOINT_POSITION:
            self.captures += 1
            self.joints = self.joints if self.jammed else np.array(action.values)
        else:
            super().act(action)


def skill_with(opener):
    search = SearchSkill(SweepChooser((), top_first=True), CABINET.region, INTRINSICS, config=CONFIG)
    search = SearchSkill(SweepChooser(search.views), CABINET.region, INTRINSICS, config=CONFIG)
    skill = InteractiveSearchSkill(search, opener)
    skill.reset(TASK)
    return skill, search


def run(skill, world, *, steps=2000, lease=LEASE):
    """Return the action space of every step until the skill has nothing left."""
    spaces = []
    for _ in range(steps):
        command = skill.propose(world.observe(), None, lease)
        if command is None and skill.health().state is SkillState.EXHAUSTED:
            return spaces
        spaces.append(None if command is None else command.action.space)
        world.act(None if command is None else command.action)
    raise AssertionError("the search did not end")


def test_what_is_open_is_looked_at_before_anything_is_opened():
    opener = FakeOpener(["door_left", "drawer"])
    skill, search = skill_with(opener)
    closed = [CABINET.region.compartments[view.shelf].closure in opener.shut for view in search.views]
    world = JointWorld()
    while not opener.planned:
        world.act(skill.propose(world.observe(), None, LEASE).action)
    assert (search.visits == np.where(closed, 0, 1)).all()


def test_every_closure_is_opened_in_order_and_looked_into():
    opener = FakeOpener(["door_left", "drawer"])
    skill, search = skill_with(opener)
    spaces = run(skill, JointWorld())
    assert opener.planned == ["door_left", "drawer"]
    assert skill.opened == ("door_left", "drawer")
    assert (search.visits == 1).all()
    assert spaces.count(ActionSpace.JOINT_POSITION) == 6


def test_what_cannot_be_opened_is_given_up():
    opener = FakeOpener(["door_left", "door_right", "drawer"], stuck=["door_left"], heavy=["drawer"])
    skill, search = skill_with(opener)
    run(skill, JointWorld())
    assert skill.opened == ("door_right",)
    shut = [CABINET.region.compartments[view.shelf].closure in ("door_left", "drawer") for view in search.views]
    assert (search.visits == np.where(shut, 0, 1)).all()


def test_the_hand_is_busy_exactly_while_it_opens():
    opener = FakeOpener(["drawer"])
    skill, _ = skill_with(opener)
    world = JointWorld()
    for _ in range(2000):
        command = skill.propose(world.observe(), None, LEASE)
        if command is None:
            break
        assert skill.busy == (command.action.space is ActionSpace.JOINT_POSITION)
        world.act(command.action)
    assert opener.planned == ["drawer"]


def test_a_jammed_arm_ends_the_opening_not_the_search():
    opener = FakeOpener(["drawer"], heavy=["drawer"])
    skill, _ = skill_with(opener)
    world = JointWorld()
    world.jammed = True
    world.joints = np.full(7, -0.5)
    spaces = run(skill, world)
    assert skill.opened == ()
    assert PATIENCE_STEPS <= spaces.count(ActionSpace.JOINT_POSITION) <= PATIENCE_STEPS + 2


def test_a_new_epoch_plans_the_opening_anew():
    opener = FakeOpener(["drawer"], heavy=["drawer"])
    skill, _ = skill_with(opener)
    world = JointWorld()
    while not skill.busy:
        world.act(skill.propose(world.observe(), None, LEASE).action)
    skill.propose(world.observe(), None, Lease(Holder.SEARCH, 2))
    assert opener.planned == ["drawer", "drawer"]


@pytest.mark.parametrize("shut", [[], ["door_left"]])
def test_commands_rise_in_sequence_and_carry_the_lease(shut):
    skill, _ = skill_with(FakeOpener(shut))
    world, seen = JointWorld(), []
    for _ in range(30):
        command = skill.propose(world.observe(), None, LEASE)
        seen.append(command.seq)
        assert (command.holder, command.epoch) == (LEASE.holder, LEASE.epoch)
        world.act(command.action)
    assert seen == list(range(1, 31))
