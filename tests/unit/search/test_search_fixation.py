"""Fixation on targets that something hides from the front, and arms that come to rest beside the goal."""

import numpy as np
import pytest
from search_fixtures import INTRINSICS, REGION, TASK, KinematicWorld, perfect_detector

from robots.types import Detection, DetectionFrame, Holder, Lease, SkillState
from search_policy.motion.geometry import look_at
from search_policy.servo import FixationConfig, FixationSkill

LEASE = Lease(Holder.SEARCH, 1)


class Occluded(KinematicWorld):
    """The target is seen from the left only: something stands to the right of it, before it."""

    def box(self):
        return super().box() if self.pose[1, 3] > self.target[1] + 0.15 else None


def fixate(world, skill, detect, most=60):
    for step in range(most):
        observation = world.observe()
        command = skill.propose(observation, detect(observation), LEASE)
        if skill.health().state in (SkillState.DONE, SkillState.FAILED):
            return step
        world.act(None if command is None else command.action)
    return most


def placed(world, target, camera):
    world.target, world.pose = np.array(target), look_at(np.array(camera), np.array(target))
    return world


@pytest.mark.parametrize("across", [-0.2, 0.0, 0.15])
def test_what_the_front_hides_is_looked_at_from_where_it_was_seen(across):
    world = placed(Occluded(), (0.76, across, 0.40), (0.38, across + 0.25, 0.48))
    skill = FixationSkill(REGION, INTRINSICS)
    steps = fixate(world, skill, perfect_detector(world, TASK, None))
    assert skill.health().state is SkillState.DONE
    assert world.pose[1, 3] > across + 0.15
    assert steps < 40


def test_a_target_that_is_gone_for_good_is_given_up():
    world = placed(KinematicWorld(), (0.76, 0.0, 0.40), (0.38, 0.1, 0.48))
    seen = iter([True] * 4)
    whole = perfect_detector(world, TASK, None)

    def detect(observation):
        frame = whole(observation)
        return frame if next(seen, False) else DetectionFrame(frame.capture_id, frame.captured_at_s, "wrist", 84, 84)

    skill = FixationSkill(REGION, INTRINSICS)
    steps = fixate(world, skill, detect)
    assert skill.health().state is SkillState.FAILED
    assert steps == 4 + FixationConfig().lost_frames - 1


class Trailing(KinematicWorld):
    """An arm that does every command some periods late, the last ones too."""

    def __init__(self, lag):
        super().__init__()
        self.lag, self.queue = lag, []

    def act(self, action):
        self.queue.append(action)
        super().act(self.queue.pop(0) if len(self.queue) > self.lag else None)


@pytest.mark.parametrize(
    ("lag", "target", "camera"),
    [(2, (0.73, 0.02, 0.4), (0.37, 0.07, 0.3)), (3, (0.79, 0.22, 0.4), (0.36, -0.04, 0.45))],
)
def test_an_arm_that_comes_to_rest_beside_the_goal_is_moved_again(lag, target, camera):
    world = placed(Trailing(lag), target, camera)
    world.pose = look_at(np.array(camera), np.array([0.8, camera[1], camera[2]]))
    skill = FixationSkill(REGION, INTRINSICS)
    fixate(world, skill, perfect_detector(world, TASK, None), most=80)
    assert skill.health().state is SkillState.DONE


def test_one_false_detection_elsewhere_voids_what_was_known_of_the_other():
    world = placed(KinematicWorld(), (0.76, 0.1, 0.40), (0.38, 0.0, 0.48))
    whole = perfect_detector(world, TASK, None)
    skill, steps = FixationSkill(REGION, INTRINSICS), iter(range(100))

    def detect(observation):
        frame = whole(observation)
        if next(steps) != 0:
            return frame
        wrong = (Detection((2.0, 2.0, 62.0, 62.0), 0.9, TASK.target),)  # much larger than the target ever is
        return DetectionFrame(frame.capture_id, frame.captured_at_s, "wrist", 84, 84, wrong)

    assert fixate(world, skill, detect) < 30
    assert skill.health().state is SkillState.DONE
