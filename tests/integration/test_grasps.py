"""Grasps in the simulated world: starts look as their bin says, and the expert grasps, recovers, and refuses."""

from dataclasses import replace

import numpy as np
import pytest

from robots.errors import PlanningError, SpecError
from robots.grasp_action import GRIPPER, REFUSE
from robots.sim.episode import Variant
from robots.sim.grasping.demonstrations import IMAGE_SIZES, DemonstrationConfig, Demonstrator
from robots.sim.grasping.episode import Outcome, run_attempt
from robots.sim.grasping.expert import GraspExpert, refusal
from robots.sim.grasping.policies import ChunkedPolicy, ExpertPolicy, executed
from robots.sim.grasping.starts import draw_start
from robots.sim.grasping.trials import Condition, Trial, TrialConfig, draw_trials, run_trial, set_up
from robots.sim.grasping.world import GraspWorld
from robots.sim.layout import sample_episode
from robots.types import Action, ActionSpace

SEED, TARGET = 100_006, "mug"
STILL = Action(ActionSpace.CARTESIAN_VELOCITY, np.zeros(6), 0.0)


@pytest.fixture(scope="module")
def world():
    world = GraspWorld()
    yield world
    world.close()


@pytest.fixture(scope="module")
def start(world):
    start = draw_start(world, layout(), "centred")
    assert start is not None
    return start


def layout(variant=Variant.STANDARD):
    return sample_episode("bookshelf_pineapple", SEED, target=TARGET, variant=variant)


def test_a_start_is_drawn_from_the_seed_alone_and_shows_the_named_object_in_the_middle(world, start):
    again = draw_start(world, layout(), "centred")
    assert again is not None
    assert again.spec == start.spec
    assert 0.30 <= start.distance_m <= 0.45
    assert max(map(abs, start.center)) < 0.25
    assert start.hidden <= 0.15
    assert start.spec.objects == layout().objects


def test_the_expert_grasps_the_named_object_and_touches_nothing_else(world, start):
    world.reset(start.spec)
    report = run_attempt(world, ExpertPolicy(world), "Pick up the mug.")
    assert report.outcome is Outcome.GRASPED
    assert report.contacts == 0
    assert report.knocked == ()
    assert report.lifted == ("mug_0",)


def test_a_push_in_mid_approach_only_costs_time(world, start):
    world.reset(start.spec)
    expert = GraspExpert(world)
    assert expert.begin()
    push = Action(ActionSpace.CARTESIAN_VELOCITY, np.array([-0.25, 0.15, 0.1, 0.0, 0.6, -0.6]), 0.0)
    for step in range(120):
        label = expert.act()
        action = executed(label, world.gripper_to_world()[:3, :3])
        world.robot.send_action(push if 10 <= step < 15 else action)
        world.tick()
        if expert.done:
            break
    assert expert.done
    assert world.truth.judge().success


def test_the_choice_depends_on_the_state_alone(world, start):
    actions = []
    for _ in range(2):
        world.reset(start.spec)
        expert = GraspExpert(world)
        expert.begin()
        actions.append(expert.act())
    assert np.array_equal(*actions)
    assert actions[0].shape == (8,)
    assert actions[0][GRIPPER] == actions[0][REFUSE] == 0.0


def test_what_is_not_there_is_refused(world):
    world.reset(layout(Variant.ABSENT))
    assert not GraspExpert(world).begin()
    with pytest.raises(PlanningError, match="refuses"):
        ExpertPolicy(world).act(world.observe())


def test_a_policy_that_does_nothing_runs_out_of_time_and_one_that_refuses_is_refused(world, start):
    world.reset(start.spec)
    report = run_attempt(world, ChunkedPolicy(lambda *_: [STILL] * 8), "Wait.", longest_s=0.5)
    assert (report.outcome, report.steps) == (Outcome.TIMEOUT, 8)
    report = run_attempt(world, ChunkedPolicy(lambda *_: [executed(refusal(), np.eye(3))]), "No.")
    assert (report.outcome, report.steps) == (Outcome.REFUSED, 0)
    assert "refuses" in report.reason


def test_an_answer_that_cannot_be_executed_ends_the_attempt(world, start):
    def broken(*_):
        raise SpecError("actions: not finite.")

    world.reset(start.spec)
    report = run_attempt(world, ChunkedPolicy(broken), "Pick up the mug.")
    assert (report.outcome, report.reason) == (Outcome.INVALID, "actions: not finite.")


def test_lifting_another_object_is_the_wrong_object(world, start):
    other = next(item for item in start.spec.objects if item.kind in ("can", "ball", "bottle"))
    task = replace(start.spec.task, target=other.kind)
    world.reset(start.spec)
    address = world.robot.model.joint("mug_0").qposadr[0]
    world.robot.spec = replace(start.spec, task=task)
    world.robot.data.qpos[address + 2] += 0.2
    report = run_attempt(world, ChunkedPolicy(lambda *_: [STILL] * 8), "Pick up the can.")
    assert report.outcome is Outcome.WRONG
    assert report.lifted == ("mug_0",)


def test_a_demonstration_holds_clean_labels_at_the_sizes_of_the_wire(world):
    config = DemonstrationConfig(bins={"random_centred": 1.0}, targets=("can", "mug"))
    made = next(
        made for made in map(Demonstrator(world, config).record, range(5, 20)) if made.facts["outcome"] == "grasped"
    )
    frame = made.frames[0]
    assert {name: image.shape[:2] for name, image in frame.images.items()} == dict(IMAGE_SIZES)
    assert frame.state.shape == frame.action.shape == (8,)
    assert frame.target_px[2] == 1.0
    assert np.abs(frame.target_px[:2]).max() <= 1.0
    actions = np.stack([frame.action for frame in made.frames])
    assert np.abs(actions[:, :3]).max() < 0.6
    assert actions[-1, GRIPPER] == 1.0
    assert not actions[:, REFUSE].any()
    assert made.kept


def test_a_demonstration_is_the_same_for_the_same_seed_and_refuses_what_is_absent(world):
    demonstrator = Demonstrator(world, DemonstrationConfig(bins={"absent": 1.0}))
    first, second = demonstrator.record(7), demonstrator.record(7)
    assert first.facts == second.facts
    assert all(np.array_equal(a.action, b.action) for a, b in zip(first.frames, second.frames, strict=True))
    assert all(frame.action[REFUSE] == 1.0 and frame.target_px[2] == 0.0 for frame in first.frames)


def test_a_swapped_trial_names_another_object_of_the_same_view(world):
    config = TrialConfig(randomization="none")
    trials = next(
        trials
        for seed in range(100_000, 100_040)
        if len(trials := draw_trials(world, config, "centred", seed, also=True)) == 3
    )
    view, paraphrase, swap = trials
    assert [trial.condition for trial in trials] == [Condition.VIEW, Condition.PARAPHRASE, Condition.SWAP]
    assert swap.named != swap.target == view.named
    assert paraphrase.instruction != view.instruction
    assert Trial.from_dict(swap.to_dict()) == swap
    set_up(world, config, swap)
    assert world.target is not None
    assert world.target.kind == swap.named
    assert run_trial(world, config, swap, ExpertPolicy(world)).outcome is Outcome.GRASPED
