"""The LeRobot plug-in in process: the robot's contract, the expert, the environments, and nothing privileged."""

import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.errors import ActionRejectedError, PlanningError, RobotDisconnectedError, UsageError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
    pytest.mark.filterwarnings("default::UserWarning"),
]
SEED = 100_000
SCALARS = [*(f"joint{index}.pos" for index in range(1, 8)), "gripper.pos"]


@pytest.fixture(scope="module")
def plugin():
    import robots.lerobot_plugin as plugin

    return plugin


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def make(plugin, tmp_path, clock):
    made = []

    def build(**options):
        config = plugin.BatonSimRobotConfig(
            calibration_dir=tmp_path,
            **{"seed": SEED, "wrist_px": (32, 32), "third_person_px": None, "randomization": "none", **options},
        )
        made.append(plugin.BatonSimRobot(config, now=lambda: clock[0]))
        return made[-1]

    yield build
    for robot in made:
        robot.disconnect()
        robot.sim.close()


@pytest.fixture
def robot(make):
    robot = make()
    robot.connect()
    return robot


def pose(observation):
    return {name: observation[name] for name in SCALARS}


def test_lerobot_finds_the_classes_by_its_own_rule(plugin, tmp_path):
    from lerobot.robots import RobotConfig, make_robot_from_config
    from lerobot.teleoperators import TeleoperatorConfig, make_teleoperator_from_config

    robot = make_robot_from_config(RobotConfig.get_choice_class("baton_sim")(calibration_dir=tmp_path))
    teleop = make_teleoperator_from_config(
        TeleoperatorConfig.get_choice_class("baton_expert")(calibration_dir=tmp_path)
    )
    assert type(robot) is plugin.BatonSimRobot
    assert type(teleop) is plugin.BatonExpert


def test_features_can_be_read_before_connecting_and_fit_what_comes(make):
    robot = make(third_person_px=(48, 40))
    features = robot.observation_features
    assert {name: kind for name, kind in features.items() if isinstance(kind, tuple)} == {
        "wrist": (32, 32, 3),
        "third_person": (40, 48, 3),
    }
    assert list(robot.action_features) == SCALARS
    robot.connect()
    seen = robot.get_observation()
    assert seen.keys() == features.keys()
    assert all(seen[name].shape == kind for name, kind in features.items() if isinstance(kind, tuple))
    assert all(type(seen[name]) is float for name in SCALARS)
    assert set(robot.cameras) == {"wrist", "third_person"}


def test_every_scalar_reaches_a_policy_because_of_its_suffix(make):
    robot = make()
    scalars = [name for name, kind in robot.observation_features.items() if kind is float]
    assert all(name.endswith(".pos") for name in [*scalars, *robot.action_features])


def test_what_was_sent_is_returned_and_within_the_limits(robot):
    from robots.sim.config import LIMITS

    before = robot.get_observation()
    wanted = {**pose(before), "joint1.pos": before["joint1.pos"] + 3.0, "gripper.pos": 7.0}
    sent = robot.send_action(wanted)
    step = sent["joint1.pos"] - before["joint1.pos"]
    assert 0.0 < step <= LIMITS.velocity_rad_s[0] / robot.config.control_hz
    assert sent["gripper.pos"] == 1.0
    assert robot.get_observation()["joint1.pos"] > before["joint1.pos"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"joint3.pos": math.nan}, "not finite"),
        ({"gripper.pos": math.inf}, "not finite"),
        ({"joint9.pos": 0.0}, "unknown entries joint9.pos"),
    ],
)
def test_bad_actions_move_nothing(robot, change, words):
    before = robot.get_observation()
    with pytest.raises(ActionRejectedError, match=words):
        robot.send_action({**pose(before), **change})
    assert pose(robot.get_observation()) == pose(before)


def test_a_missing_joint_is_named(robot):
    action = pose(robot.get_observation())
    del action["joint5.pos"]
    with pytest.raises(ActionRejectedError, match=r"lacks joint5\.pos"):
        robot.send_action(action)


def test_nothing_works_unconnected(make):
    robot = make()
    with pytest.raises(RobotDisconnectedError):
        robot.get_observation()
    with pytest.raises(RobotDisconnectedError):
        robot.send_action({})
    robot.disconnect()


def test_every_connection_and_every_reset_is_the_next_seed(robot):
    assert robot.sim.spec.seed == SEED
    robot.connect()  # ignored while connected
    assert robot.sim.spec.seed == SEED
    robot.next_episode()
    assert robot.sim.spec.seed == SEED + 1
    robot.disconnect()
    robot.connect()
    assert robot.sim.spec.seed == SEED + 2


def test_the_same_seed_gives_the_same_bytes(make):
    first, second = make(), make()
    first.connect()
    second.connect()
    assert first.get_observation()["wrist"].tobytes() == second.get_observation()["wrist"].tobytes()


def test_absent_takes_the_target_out(make):
    robot = make(variant="absent")
    robot.connect()
    assert robot.sim.spec.target_name is None


def test_the_scene_changes_half_way_through_the_reset(make, clock):
    robot = make(episode_time_s=10.0, reset_time_s=4.0)
    robot.connect()
    for clock[0] in np.arange(50.0, 52.0, 0.1):  # a policy was loaded first
        robot.send_action(pose(robot.get_observation()))
    for now, seed in ((60.0, SEED), (61.9, SEED), (62.0, SEED + 1), (63.9, SEED + 1)):
        clock[0] = now
        robot.get_observation()
        assert robot.sim.spec.seed == seed
    assert robot.timer.waiting
    for clock[0] in np.arange(70.0, 72.0, 0.1):  # saved; the next recording begins
        robot.send_action(pose(robot.get_observation()))
        assert not robot.timer.waiting
    clock[0] = 82.0
    robot.get_observation()
    assert robot.sim.spec.seed == SEED + 2


@settings(max_examples=80, deadline=None)
@given(
    episode_s=st.floats(1, 20),
    reset_s=st.floats(2, 10),
    saves_s=st.lists(st.floats(0.3, 30), min_size=2, max_size=8) | st.just([0.0] * 3),
    period_s=st.floats(0.05, 0.1),
    latency=st.floats(0.0, 0.9),
)
def test_a_recording_never_sees_the_scene_change(plugin, episode_s, reset_s, saves_s, period_s, latency):
    """Plays the recorder: record, reset, save, again; every change must fall into a reset."""
    from robots.lerobot_plugin.timing import EpisodeTimer

    timer, now = EpisodeTimer(episode_s, reset_s), 3.0
    for save_s in saves_s:
        changes = []
        for phase, span in (("record", episode_s), ("reset", reset_s)):
            began = now
            while now - began < span:
                if timer.due(now):
                    changes.append(phase)
                timer.acted(now + latency * period_s)
                now += period_s
        assert changes == ["reset"]
        now += save_s


def test_a_timetable_that_leaves_no_time_to_reset_is_refused(make):
    with pytest.raises(UsageError, match="reset_time_s must be at least"):
        make(episode_time_s=5.0)


@pytest.mark.parametrize(
    "options", [{"task": "bookshelf_duk"}, {"randomization": "trian"}, {"seed": -1}, {"wrist_px": (1, 1)}]
)
def test_bad_options_are_one_sentence(make, options):
    with pytest.raises(UsageError):
        make(**options)


@pytest.mark.parametrize("randomization", ["none", "train"])
def test_the_expert_lifts_the_target(plugin, make, tmp_path, caplog, randomization):
    robot = make(seed=SEED + 2, randomization=randomization)
    expert = plugin.BatonExpert(plugin.BatonExpertConfig(calibration_dir=tmp_path, robot_id=None))
    expert.config.robot_id = robot.id
    with caplog.at_level(logging.INFO, "robots.lerobot_plugin"):
        expert.connect()
        robot.connect()
        for _ in range(260):
            robot.send_action(expert.get_action())
        robot.disconnect()
    assert "target lifted" in caplog.text


def test_episodes_that_cannot_be_shown_are_skipped_before_they_begin(plugin, make, tmp_path):
    robot = make(variant="absent")
    expert = plugin.BatonExpert(plugin.BatonExpertConfig(calibration_dir=tmp_path))
    expert.connect()
    with pytest.raises(PlanningError, match="accepted for demonstration"):
        robot.connect()


def test_an_expert_alone_is_refused(plugin, tmp_path):
    expert = plugin.BatonExpert(plugin.BatonExpertConfig(calibration_dir=tmp_path, robot_id="nobody"))
    with pytest.raises(UsageError, match="baton_sim"):
        expert.connect()
    with pytest.raises(RobotDisconnectedError):
        expert.get_action()


def test_every_registered_task_is_an_environment(plugin):
    from robots.sim.tasks import TASKS

    names = plugin.task_names()
    assert set(TASKS) <= set(names)
    assert {f"{task}_absent" for task in TASKS} <= set(names)
    for name in names:
        config = plugin.BatonEnvConfig(task=name)
        assert config.gym_id == f"baton/{name}-v0"
        assert config.features.keys() == config.features_map.keys()


def test_an_unknown_task_names_the_nearest(plugin):
    with pytest.raises(UsageError, match="Did you mean 'bookshelf_duck'"):
        plugin.BatonEnvConfig(task="bookshelf_duk")


@pytest.mark.parametrize(
    ("control", "width"), [("cartesian_velocity", 7), ("joint_velocity", 8), ("joint_position", 8)]
)
def test_every_action_space_has_its_width(plugin, control, width):
    config = plugin.BatonEnvConfig(wrist_px=(32, 32), control=control)
    envs = config.create_envs(1)["baton"][0]
    assert config.features["action"].shape == envs.single_action_space.shape == (width,)
    envs.close()


def test_an_unknown_action_space_is_named(plugin):
    with pytest.raises(UsageError, match="Did you mean 'joint_position'"):
        plugin.BatonEnvConfig(control="joint_positon")


def observed(plugin, envs):
    from lerobot.envs.utils import NEW_ROLLOUT_OPTION, preprocess_observation

    observation, info = envs.reset(seed=[SEED, SEED + 1], options={NEW_ROLLOUT_OPTION: True})
    return preprocess_observation(observation), info


def test_policy_inputs_are_exactly_the_declared_ones_and_nothing_privileged(plugin):
    from lerobot.envs.utils import close_envs, env_to_policy_features

    config = plugin.BatonEnvConfig(wrist_px=(32, 32), third_person_px=(48, 40), episode_length=2)
    made = config.create_envs(2)
    envs = made["baton"][0]
    seen, info = observed(plugin, envs)
    declared = {name: tuple(feature.shape) for name, feature in env_to_policy_features(config).items()}
    del declared["action"]
    assert {name: tuple(tensor.shape[1:]) for name, tensor in seen.items()} == declared
    assert "privileged" in info  # it exists, and is kept apart
    assert not [name for name in seen if "privileged" in name or "target" in name]
    close_envs(made)


def test_an_episode_that_ended_is_simulated_no_further(plugin):
    config = plugin.BatonEnvConfig(wrist_px=(32, 32), episode_length=2)
    envs = config.create_envs(1)["baton"][0]
    first, _ = envs.reset(seed=[SEED])
    action = np.zeros((1, 7), np.float32)
    for _ in range(4):
        last, _, _, truncated, info = envs.step(action)
    assert truncated[0]
    assert not info["final_info"]["is_success"][0]
    steps = envs.envs[0].unwrapped._robot.steps
    envs.step(action)
    assert envs.envs[0].unwrapped._robot.steps == steps == 2
    assert last["agent_pos"].shape == first["agent_pos"].shape
    envs.close()
