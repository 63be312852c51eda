"""A full disk or a kill at any moment leaves the last checkpoint whole; what does not fit is refused by its key."""

import contextlib
import json
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from robots.errors import CheckpointError, UsageError
from robots.run_claim import claim, differences
from search_policy.learning.batches import actor_spec
from search_policy.learning.checkpoint import load_actor, save_actor
from search_policy.learning.config import NetworkConfig, TrainConfig
from search_policy.learning.diagnostics import n_step_advantages, spearman
from search_policy.learning.learner import build_learner
from search_policy.learning.pretrain import Auxiliary
from search_policy.learning.training_state import STATE, TENSORS, TrainingState, checkpoints

ROOT = Path(__file__).parents[3]


def state_of(frames, config=None, step=0):
    config = config or TrainConfig(network=NetworkConfig(actor=8, critic=8))
    torch.manual_seed(step)
    spec = actor_spec(frames, config)
    learner, auxiliary = build_learner(config, spec), Auxiliary(spec)
    optimizer = torch.optim.Adam(auxiliary.parameters(), 1e-3)
    return TrainingState(learner, auxiliary, optimizer, np.random.default_rng(step), step)


@pytest.fixture(scope="module")
def states(frames):
    """Two states to save and one to load into."""
    return [state_of(frames, step=step) for step in (1, 2, 0)]


@contextlib.contextmanager
def disk_of(size):
    """Let no file grow beyond `size` bytes: writing fails in the middle, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(share=st.floats(0.0, 1.2))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_full_disk_leaves_the_last_checkpoint_whole(states, share, tmp_path_factory):
    root = tmp_path_factory.mktemp("full")
    first, second, reader = states
    first.save(root, keep=1)
    whole = (checkpoints(root)[-1] / TENSORS).read_bytes()
    failed = False
    try:
        with disk_of(int(share * len(whole))):
            second.save(root, keep=1)
    except OSError:
        failed = True
    assert failed == (share * len(whole) < len(whole) - 1)
    newest = checkpoints(root)[-1]
    reader.load(newest)
    assert newest.name == ("step-00000001" if failed else "step-00000002")
    assert not failed or (newest / TENSORS).read_bytes() == whole
    second.save(root, keep=1)
    assert [path.name for path in root.iterdir()] == ["step-00000002"]


@given(size=st.integers(0, 800_000))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_half_written_export_never_loads(states, size, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "actor"
    actor = states[0].learner.actor
    try:
        with disk_of(size):
            save_actor(actor, folder, {})
    except OSError:
        with pytest.raises(CheckpointError):
            load_actor(folder)
    else:
        load_actor(folder)


def test_an_export_that_broke_off_over_an_older_one_never_loads_as_either(states, tmp_path):
    old, new = states[0].learner.actor, states[1].learner.actor
    save_actor(old, tmp_path, {})
    (tmp_path / "actor.safetensors").write_bytes(
        save({name: value.contiguous() for name, value in new.state_dict().items()})
    )
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_actor(tmp_path)


SAVER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import numpy as np
    import torch
    from safetensors.torch import load_file
    from search_policy.learning.training_state import TrainingState

    class Plain:
        def __init__(self):
            self.module = torch.nn.Linear(600, 600)
            self.optimizer = torch.optim.Adam(self.module.parameters())
        def networks(self):
            return {"actor": self.module}
        def optimizers(self):
            return {"actor_optimizer": self.optimizer}
        def values(self):
            return {}
        def restore(self, values):
            pass

    head = torch.nn.Linear(2, 2)
    state = TrainingState(Plain(), head, torch.optim.Adam(head.parameters()), np.random.default_rng(0))
    for step in range(1, 1_000_000):
        state.step = step
        state.save(Path(sys.argv[1]), keep=2)
    """
)


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(4):
        root = tmp_path / str(number)
        process = subprocess.Popen([sys.executable, "-c", SAVER, str(root)], cwd=ROOT)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None and not (root.is_dir() and checkpoints(root)):
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0.0, 0.3)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        newest = checkpoints(root)[-1]
        assert load((newest / TENSORS).read_bytes())["actor.weight"].shape == (600, 600)
        assert json.loads((newest / STATE).read_text())["step"] == int(newest.name.removeprefix("step-"))


def rewrite(folder, change):
    import hashlib

    path = folder / TENSORS
    path.write_bytes(save(change(load(path.read_bytes()))))
    state = json.loads((folder / STATE).read_text())
    (folder / STATE).write_text(json.dumps(state | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))


def edit_state(change):
    def edit(folder):
        (folder / STATE).write_text(json.dumps(change(json.loads((folder / STATE).read_text()))))

    return edit


def without(key):
    return lambda values: {name: value for name, value in values.items() if name != key}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda f: rewrite(f, without("auxiliary.layers.0.bias")),
            ["'auxiliary.layers.0.bias' is missing", "expected float32 (128,)"],
        ),
        (lambda f: rewrite(f, lambda t: t | {"actor.odd": torch.zeros(1)}), ["'actor.odd' is not expected"]),
        (
            lambda f: rewrite(f, lambda t: t | {"auxiliary.layers.0.bias": torch.zeros(3)}),
            ["float32 (3,)", "float32 (128,)"],
        ),
        (lambda f: rewrite(f, without("torch_rng")), ["'torch_rng' is missing"]),
        (edit_state(without("sampler")), ["'sampler' is missing"]),
        (edit_state(lambda values: [values]), ["holds no object"]),
        (lambda f: (f / STATE).write_text("{"), ["cannot be read"]),
        (lambda f: (f / TENSORS).write_bytes((f / TENSORS).read_bytes()[:-9]), ["cannot be read"]),
    ],
)
def test_a_damaged_checkpoint_is_refused_by_its_key(states, tmp_path, damage, words):
    states[0].save(tmp_path, keep=1)
    damage(tmp_path / "step-00000001")
    with pytest.raises(CheckpointError) as error:
        states[2].load(tmp_path / "step-00000001")
    assert all(word in str(error.value) for word in words), error.value
    assert str(tmp_path / "step-00000001") in str(error.value)


def test_a_checkpoint_of_another_configuration_is_refused_by_its_key(frames, states, tmp_path):
    states[0].save(tmp_path, keep=1)
    wider = TrainConfig(network=NetworkConfig(actor=16, critic=8))
    with pytest.raises(CheckpointError, match=r"'actor\.[a-z.0-9]+' is float32 .*, expected float32"):
        state_of(frames, wider).load(tmp_path / "step-00000001")
    with pytest.raises(CheckpointError, match="another configuration: 'critic"):
        state_of(frames, TrainConfig(method="awr", network=NetworkConfig(actor=8, critic=8))).load(
            tmp_path / "step-00000001"
        )


def test_a_run_folder_of_another_configuration_is_refused_by_its_key(tmp_path):
    claim(tmp_path, {"a": 1, "network": {"actor": 8, "critic": 8}})
    before = (tmp_path / "config.json").read_bytes()
    claim(tmp_path, {"a": 1, "network": {"actor": 8, "critic": 8}})
    with pytest.raises(UsageError, match=r"network\.critic is 8 there, but 9 here"):
        claim(tmp_path, {"a": 1, "network": {"actor": 8, "critic": 9}})
    assert (tmp_path / "config.json").read_bytes() == before
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="may be damaged"):
        claim(tmp_path, {"a": 1})


def test_configurations_that_agree_have_no_differences():
    assert not list(differences({"a": {"b": [1]}}, {"a": {"b": [1]}}))
    assert list(differences({}, {"a": 2})) == [("a", "missing", 2)]


def test_advantages_over_one_decision_are_temporal_differences():
    value, duration, discount = np.array([1.0, 2.0, 4.0]), np.array([2.0, 1.0, 3.0]), 0.9
    reward = np.array([0.5, -1.0, 1.0])
    returns = np.array([0.5 + 0.81 * (-1.0 + 0.9 * 1.0), -1.0 + 0.9 * 1.0, 1.0])
    found = n_step_advantages(returns, value, duration, np.zeros(3, dtype=np.int64), discount, 1)
    expected = [reward[0] + 0.81 * 2.0 - 1.0, reward[1] + 0.9 * 4.0 - 2.0, reward[2] - 4.0]
    np.testing.assert_allclose(found, expected)


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_advantages_over_whole_episodes_are_returns_less_values(episodes, length, seed):
    rng = np.random.default_rng(seed)
    episode = np.repeat(np.arange(episodes), length)
    returns, value = rng.normal(size=(2, len(episode)))
    found = n_step_advantages(returns, value, np.ones(len(episode)), episode, 0.9, length)
    np.testing.assert_allclose(found, returns - value)


def test_a_choice_that_pays_later_shows_over_eight_decisions_and_not_over_one():
    """The value knows the past but not the target, as a cross-fitted one would; the reward comes five decisions on."""
    rng = np.random.default_rng(0)
    episodes, length, delay = 200, 12, 5
    episode = np.repeat(np.arange(episodes), length)
    good = rng.integers(0, 2, len(episode)).astype(float)
    reward = 0.05 * rng.normal(size=len(episode))
    for row in range(delay, len(episode)):
        reward[row] += good[row - delay] * (episode[row] == episode[row - delay])
    returns = reward.copy()
    for row in range(len(episode) - 2, -1, -1):
        returns[row] += returns[row + 1] * (episode[row] == episode[row + 1])
    value = np.tile(returns.reshape(episodes, length).mean(axis=0), episodes)
    ranks = [
        spearman(
            torch.tensor(n_step_advantages(returns, value, np.ones(len(episode)), episode, 1.0, steps)),
            torch.tensor(good),
        )
        for steps in (1, 8)
    ]
    assert abs(ranks[0]) < 0.1
    assert ranks[1] > 0.2
