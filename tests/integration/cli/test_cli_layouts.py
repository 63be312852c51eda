"""What a searcher or detector does not know is refused before anything starts; doors are offered most ajar first."""

import dataclasses

import pytest

from handoff import cli
from handoff.commands.opener import SimulatedOpener
from robots.sim.episode import PartState
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--task=koch_lift"], ["koch_lift has no shelves", "scripted expert"]),
        (["--task=closed_cabinet"], ["No shipped search policy knows closed_cabinet", "coverage and sweep"]),
        (["--task=shelf_cabinett"], ["Unknown task", "Did you mean 'shelf_cabinet'"]),
        (["--target=mug"], ["detector target 'mug'", "duck, pineapple"]),
        (["--target=bowl"], ["Unknown target 'bowl'", "bottle"]),
        (["--variant=absnt"], ["Unknown variant 'absnt'", "Did you mean 'absent'"]),
        (["--occlusion=extreme"], ["Unknown occlusion", "high, low, medium"]),
        (["--prior=structure"], ["Unknown layout prior", "Did you mean 'structured'"]),
        (["--randomization=trian"], ["Did you mean 'train'"]),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(options, words, capsys, tmp_path):
    out = tmp_path / "run"
    assert cli.main(["eval", "--episodes=1", f"--out={out}", *options]) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert all(word in error for word in words)
    assert not out.exists()


@pytest.fixture(scope="module")
def cabinet():
    robot = MujocoRobot(SimConfig(scene="cabinet"), lambda: 0.0)
    with robot:
        yield robot
    robot.close()


def standing(robot, **openings):
    spec = sample_episode("closed_cabinet", 100_000)
    parts = tuple(PartState(state.name, openings.get(state.name, 0.0)) for state in spec.parts)
    robot.reset(dataclasses.replace(spec, parts=parts))


def test_what_stands_most_ajar_is_opened_first_and_the_higher_of_equals(cabinet):
    opener = SimulatedOpener(cabinet, PrivilegedView(cabinet))
    standing(cabinet, door_right=0.3)
    assert opener.closed()[0] == "door_right"
    standing(cabinet)
    assert opener.closed()[-1] == "drawer"


def test_what_is_open_is_not_offered(cabinet):
    opener = SimulatedOpener(cabinet, PrivilegedView(cabinet))
    standing(cabinet, door_left=2.0, drawer=0.2)
    assert opener.closed() == ("door_right",)
