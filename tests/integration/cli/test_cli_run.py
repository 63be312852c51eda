"""`baton run`: the simulation end to end, and a LeRobot double through every step of the ladder."""

import json

import numpy as np
import pytest
import yaml

from handoff import cli
from handoff.commands.field import slowed
from handoff.commands.run import RunOptions
from handoff.controller import AuthorityConfig
from robots.errors import UsageError
from robots.region import SearchRegion
from robots.sim.furniture import FURNITURE
from robots.sim.layout import sample_episode
from robots.types import Observation, SkillState
from tests import robot_doubles
from tests.robot_doubles import ARM_XML, JOINTS, LerobotDouble, profile_values


@pytest.fixture
def files(tmp_path):
    """A profile with kinematics and a region, as files."""
    (tmp_path / "arm.xml").write_text(ARM_XML)
    model = {"file": "arm.xml", "joints": list(JOINTS), "site": "tip"}
    camera = {"key": "front", "width_px": 96, "height_px": 96, "focal_px": 70.0}
    values = profile_values(model=model, cameras={"wrist": camera})
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "bare.yaml").write_text(yaml.safe_dump({k: v for k, v in values.items() if k != "model"}))
    (tmp_path / "unlimited.yaml").write_text(yaml.safe_dump({k: v for k, v in values.items() if k != "limits"}))
    region = json.loads(json.dumps(FURNITURE["bookcase"].region.to_dict()))
    (tmp_path / "region.yaml").write_text(yaml.safe_dump(region))
    return tmp_path


@pytest.fixture
def built(monkeypatch):
    """Every double that LeRobot builds; it draws pictures of the profile's size."""
    robots = []

    class Recorded(LerobotDouble):
        name = "baton_double"

        def __init__(self, config):
            super().__init__(config)
            robots.append(self)

    monkeypatch.setattr(robot_doubles, "PX", (96, 96, 3))
    monkeypatch.setattr(robot_doubles, "LerobotDouble", Recorded)
    return robots


def arguments(files, *more, profile="profile.yaml"):
    return [
        "run",
        "--robot.type=baton_double",
        f"--robot.profile={files / profile}",
        "--robot.port=none",
        f"--region={files / 'region.yaml'}",
        "--target=pineapple",
        "--method=coverage+handoff",
        "--search_only",
        "--seconds=1",
        f"--out={files / 'out'}",
        *more,
    ]


def events(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_the_simulation_searches_and_hands_over_or_runs_out_of_time(tmp_path, capsys):
    assert cli.main(["run", "--seconds=4", f"--out={tmp_path / 'out'}"]) == 0
    told = events(tmp_path / "out")
    assert [told[0]["event"], told[-1]["event"]] == ["begin", "end"]
    assert told[-1]["stop_reason"] in ("completed", "episode_timeout")
    assert "search" in {event.get("to") for event in told}
    assert "simulation in wall-clock time" in capsys.readouterr().out


def test_a_dry_run_goes_through_the_whole_loop_and_writes_nothing(files, built, capsys):
    assert cli.main(arguments(files, "--dry-run")) == 0
    out = capsys.readouterr().out
    assert built[0].connects == 1
    assert built[0].written == []
    assert not built[0].connected
    assert "dry run: nothing is written; targets at 0.2" in out
    assert "suppressed" in out
    assert events(files / "out")[-1]["stop_reason"] == "episode_timeout"


def test_a_real_arm_moves_at_a_fifth_of_its_limits_unless_asked_otherwise(files, built, capsys):
    assert cli.main(arguments(files)) == 0
    assert "MOVES THE ARM at 0.2" in capsys.readouterr().out
    path = np.radians([[write[f"{name}.pos"] for name in JOINTS] for write in built[0].written])
    speeds = np.abs(np.diff(path, axis=0)) * 15.0
    assert 0.01 < speeds.max() <= 0.2 * 1.5 + 1e-6


REFUSALS = {
    "no region": (["--robot.type=so101_follower", "--target=duck"], "name a YAML file with --region"),
    "no target": (["--robot.type=so101_follower", "--region=x.yaml"], "name it with --target"),
    "expert": (["--robot.type=koch_follower", "--region=x.yaml", "--target=duck"], "The expert needs the simulator"),
    "speed": (["--speed=1.2"], "--speed must be above 0"),
    "no speed in simulation": (["--speed=0.2"], "are for real arms"),
    "dry simulation": (["--dry-run"], "are for real arms"),
    "seconds": (["--seconds=-1"], "--seconds must be above 0"),
    "method": (["--method=sweep"], "Did you mean 'sweep+handoff'"),
    "task": (["--task=bookshelf_duk"], "Did you mean 'bookshelf_duck'"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_mistake_is_one_sentence_and_exit_code_2(name, capsys, tmp_path):
    options, words = REFUSALS[name]
    assert cli.main(["run", *options, f"--out={tmp_path / 'out'}"]) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()


def test_profiles_that_cannot_be_used_are_refused_before_anything_connects(files, built, capsys):
    for profile, words in (("unlimited.yaml", "no safety limits"), ("bare.yaml", "without its kinematics")):
        assert cli.main(arguments(files, profile=profile)) == 2
        assert words in capsys.readouterr().err
    assert cli.main([*arguments(files)[:1], "--robot.type=koch_follower", *arguments(files)[2:]]) == 2
    assert "is for baton_double, not for koch_follower" in capsys.readouterr().err
    assert sum(robot.connects for robot in built) == 0


def test_an_unknown_type_lists_what_there_is(files, capsys):
    given = ["run", "--robot.type=so10_follower", *arguments(files)[3:]]
    assert cli.main(given) == 2
    assert "Did you mean 'so101_follower'" in capsys.readouterr().err


def test_a_lost_arm_ends_the_run_with_exit_code_1(files, built, monkeypatch, capsys):
    reads = LerobotDouble.get_observation

    def failing(self):
        self.unplugged = self.unplugged or self.pictures > 12
        return reads(self)

    monkeypatch.setattr(LerobotDouble, "get_observation", failing)
    assert cli.main(arguments(files)) == 1
    end = events(files / "out")[-1]
    assert end["stop_reason"] == "robot_fault"
    assert "robot_fault" in capsys.readouterr().out


def test_a_slower_arm_gets_more_time_to_verify_but_not_for_the_whole_episode():
    slow = slowed(AuthorityConfig(episode_timeout_s=60.0), 0.2)
    assert slow.verify_timeout_s == pytest.approx(5.0 * AuthorityConfig().verify_timeout_s)
    assert slow.episode_timeout_s == 60.0


def test_full_speed_on_a_real_arm_is_only_ever_asked_for():
    from handoff.commands.run import RobotOptions

    real = {"robot": RobotOptions(type="so101_follower"), "region": "r", "target": "duck", "search_only": True}
    assert RunOptions(**real).chosen_speed == 0.2
    assert RunOptions(**real, speed=1.0).chosen_speed == 1.0
    assert RunOptions().chosen_speed == 1.0
    with pytest.raises(UsageError):
        RunOptions(**real, speed=0.0)


def test_being_asked_to_prepare_means_found():
    from handoff.commands.found import StopWhenFound
    from robots.types import Holder, Lease

    skill = StopWhenFound()
    seen = Observation(0.0, 1, {}, np.zeros(5), np.zeros(5), 0.0, np.eye(4), {})
    assert skill.health().state is SkillState.READY
    assert not skill.found
    assert skill.prepare(seen, Lease(Holder.VLA, 3)) is False
    assert skill.found
    assert skill.propose(seen, None, Lease(Holder.VLA, 3)) is None


def test_the_simulated_arm_rehearses_the_way_of_a_real_one(tmp_path, capsys):
    """Through LeRobot, the adapter, its limits and the loop, from the dry run to motion."""
    words = ["--robot.type=baton_sim", "--robot.discover_packages_path=robots.lerobot_plugin", "--target=pineapple"]
    words += ["--region=configs/regions/bookcase.yaml", "--method=coverage+handoff", "--search_only", "--seconds=1"]
    for extra, mode in (("--dry-run", "nothing is written"), ("--speed=1", "MOVES THE ARM at 1 ")):
        assert cli.main(["run", *words, extra, f"--out={tmp_path / extra}"]) == 0
        out = capsys.readouterr().out
        assert mode in out
        assert "rejected 0" in out
        assert "frozen 0, black 0, stale 0" in out


def test_the_rehearsals_profile_describes_the_simulated_arm():
    from pathlib import Path

    from robots.real import load_profile
    from robots.real.kinematics import SerialArm
    from robots.sim.mujoco_robot import MujocoRobot, SimConfig

    profile = load_profile(Path("baton_sim"))
    robot = MujocoRobot(SimConfig(wrist_px=(168, 168)), lambda: 0.0)
    robot.reset(sample_episode("bookshelf_pineapple", 100_000))
    with robot:
        seen = robot.get_observation()
    gripper = SerialArm(profile.model).forward(seen.joint_positions_rad)
    assert gripper == pytest.approx(seen.gripper_to_world, abs=1e-5)
    assert gripper @ profile.cameras["wrist"].pose.matrix() == pytest.approx(seen.camera_to_world["wrist"], abs=1e-5)
    intrinsics = robot.description.cameras["wrist"]
    assert profile.cameras["wrist"].focal_px == pytest.approx(intrinsics.focal_px, abs=0.01)
    region = SearchRegion.from_dict(yaml.safe_load(Path("configs/regions/bookcase.yaml").read_text()))
    assert region == FURNITURE["bookcase"].region
