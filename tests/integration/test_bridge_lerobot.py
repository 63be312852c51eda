"""The LeRobot backend against real, tiny policy folders: exact answers, and refusal of every damaged folder."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from robots.errors import CheckpointError, SchemaError
from tests.bridge_fakes import RunningServer, eventually
from tests.bridge_policies import save_tiny_act
from vla_bridge.backends.lerobot import LeRobotBackend, LeRobotConfig
from vla_bridge.client import PolicyClient
from vla_bridge.link import LinkState
from vla_bridge.messages import GripperConvention, Infer, ReplyOutcome

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
    pytest.mark.filterwarnings("default::UserWarning"),
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_tiny_act(tmp_path_factory.mktemp("act") / "policy")


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "policy")


@pytest.fixture(scope="module")
def backend(saved):
    backend = LeRobotBackend(LeRobotConfig(path=saved))
    backend.load()
    backend.warm()
    return backend


def given(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "observation.images.wrist": rng.integers(0, 256, (32, 48, 3), dtype=np.uint8),
        "observation.state": rng.normal(size=4).astype(np.float32),
    }


def infer(backend, arrays, seq=1):
    return backend.infer(Infer("s", 1, seq, 0.0, 1.0, "pick", arrays))


def test_the_schema_follows_the_folder(backend):
    schema = backend.schema
    assert {spec.name: (spec.shape, spec.dtype) for spec in schema.observation} == {
        "observation.images.wrist": ((32, 48, 3), "uint8"),
        "observation.state": ((4,), "float32"),
    }
    assert (schema.horizon, schema.action_dim, schema.gripper) == (5, 3, GripperConvention.OPEN_0_CLOSED_1)


def test_answers_equal_the_policy_s_own_through_its_own_processors(backend, saved):
    import torch
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    policy = ACTPolicy.from_pretrained(saved)
    preprocess, postprocess = make_pre_post_processors(policy.config, pretrained_path=str(saved))
    arrays = given()
    batch = {
        "observation.images.wrist": torch.from_numpy(arrays["observation.images.wrist"]).permute(2, 0, 1) / 255.0,
        "observation.state": torch.from_numpy(arrays["observation.state"]),
    }
    with torch.no_grad():
        want = postprocess(policy.predict_action_chunk(preprocess(batch)))[0].numpy()
    prediction = infer(backend, arrays)
    np.testing.assert_allclose(prediction.actions, want[:, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(prediction.gripper, np.clip(want[:, 3], 0, 1), rtol=1e-5, atol=1e-6)


def test_the_answer_depends_on_every_input(backend):
    base = infer(backend, given()).actions
    for name, other in given(1).items():
        assert not np.array_equal(infer(backend, given() | {name: other}).actions, base)


def test_the_policy_is_in_evaluation_mode(backend):
    assert not backend._policy.training
    assert np.array_equal(infer(backend, given(), 1).actions, infer(backend, given(), 2).actions)


def test_a_missing_camera_is_an_error_never_a_black_image(backend):
    with pytest.raises(SchemaError, match=r"observation\.images\.wrist"):
        infer(backend, {"observation.state": np.zeros(4, np.float32)})


def test_cameras_can_be_renamed_and_the_gripper_rescaled(saved, backend):
    other = LeRobotBackend(
        LeRobotConfig(path=saved, cameras={"wrist": "hand"}, gripper_open=1.0, gripper_closed=0.0, sha256=digest(saved))
    )
    other.load()
    arrays = given()
    renamed = {
        "observation.images.hand": arrays["observation.images.wrist"],
        "observation.state": arrays["observation.state"],
    }
    prediction = infer(other, renamed)
    np.testing.assert_allclose(prediction.gripper, 1.0 - infer(backend, arrays).gripper, atol=1e-6)


def test_bridged_answers_are_bit_identical_to_local_ones(saved, backend):
    with RunningLeRobot(saved) as server, PolicyClient(server.endpoint) as client:
        eventually(lambda: client.link().state is LinkState.READY, 30)
        for seq in range(1, 6):
            client.request(given(seq), instruction="pick", epoch=1, seq=seq, captured_at_s=0.0, deadline_s=10.0)
            assert client.wait(10.0)
            reply = client.poll()
            assert reply.outcome is ReplyOutcome.OK
            want = infer(backend, given(seq), seq)
            assert reply.chunk.actions.tobytes() == want.actions.tobytes()
            assert reply.chunk.gripper.tobytes() == want.gripper.tobytes()


class RunningLeRobot(RunningServer):
    def __init__(self, path):
        super().__init__(LeRobotBackend(LeRobotConfig(path=path)))

    def __exit__(self, *exc):
        self.server.stop()
        self._thread.join(10.0)


def digest(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def load(folder, **options):
    LeRobotBackend(LeRobotConfig(path=folder, **options)).load()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "policy_preprocessor.json"])
def test_a_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load(folder)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_weights_are_refused(folder, kept):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="damaged"):
        load(folder)


def edit(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_missing_tensors_are_named(folder):
    edit(folder, lambda tensors: tensors.pop("model.action_head.weight"))
    with pytest.raises(CheckpointError, match=r"1 missing \(model\.action_head\.weight\)"):
        load(folder)


def test_unexpected_tensors_are_named(folder):
    edit(folder, lambda tensors: tensors.update({"extra.weight": np.zeros(3, np.float32)}))
    with pytest.raises(CheckpointError, match=r"1 unexpected \(extra\.weight\)"):
        load(folder)


def test_tensors_of_another_shape_are_named(folder):
    edit(folder, lambda tensors: tensors.update({"model.action_head.bias": np.zeros(7, np.float32)}))
    with pytest.raises(CheckpointError, match=r"another shape \(model\.action_head\.bias\)"):
        load(folder)


def test_another_digest_is_refused(folder):
    load(folder, sha256=digest(folder).upper())
    with pytest.raises(CheckpointError, match="SHA-256"):
        load(folder, sha256="0" * 64)


def test_weights_that_are_not_finite_never_become_ready(folder):
    edit(folder, lambda tensors: tensors.update({"model.action_head.bias": np.full(4, np.nan, np.float32)}))
    with pytest.raises(CheckpointError, match=r"model\.action_head\.bias.*not finite"):
        load(folder)


def test_a_processor_that_names_python_code_is_refused(folder):
    path = folder / "policy_preprocessor.json"
    steps = json.loads(path.read_text())
    steps["steps"][0] = {"class": "os.system", "config": {}}
    path.write_text(json.dumps(steps))
    with pytest.raises(CheckpointError, match="Python code"):
        load(folder)


@pytest.mark.parametrize("text", ["", "[]", '{"type": "unknown"}', "{}"])
def test_a_damaged_config_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load(folder)
