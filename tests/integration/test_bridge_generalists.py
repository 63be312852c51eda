"""Checkpoints and profiles that do not fit each other, foreign tokenizers, and names on the hub: refused by name."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from robots.errors import BatonError, CheckpointError, PlanningError, SpecError
from tests import generalists
from tests.bridge_fakes import RunningServer, eventually
from vla_bridge.backends import hub
from vla_bridge.backends.lerobot import LeRobotBackend, LeRobotConfig
from vla_bridge.client import PolicyClient
from vla_bridge.link import LinkState
from vla_bridge.messages import GripperConvention, Infer, ReplyOutcome
from vla_bridge.profiles import SHIPPED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
    pytest.mark.filterwarnings("default::UserWarning"),
]
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def saved_pi0(tmp_path_factory, patch):
    return generalists.save_pi("pi0", tmp_path_factory.mktemp("pi0") / "policy", patch)


@pytest.fixture(scope="module")
def saved_act(tmp_path_factory):
    return generalists.save_act(tmp_path_factory.mktemp("act") / "policy")


@pytest.fixture
def pi0(saved_pi0, tmp_path):
    return shutil.copytree(saved_pi0, tmp_path / "policy")


@pytest.fixture
def act(saved_act, tmp_path):
    return shutil.copytree(saved_act, tmp_path / "policy")


def ready(folder, profile="baton_sim", **options):
    backend = LeRobotBackend(LeRobotConfig(path=folder, profile=str(profile), **options))
    backend.load()
    backend.warm()
    return backend


def infer(backend, instruction="pick up the red mug", **changed):
    arrays = generalists.observed(backend.schema) | changed
    return backend.infer(Infer("s", 1, 1, 0.0, 1.0, instruction, arrays))


def profile(tmp_path, change):
    values = yaml.safe_load((SHIPPED / "baton_sim.yaml").read_text())
    change(values)
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "profile.yaml"


def test_the_schema_asks_for_what_the_profile_needs(pi0):
    schema = ready(pi0).schema
    assert {spec.name: (spec.shape, spec.dtype) for spec in schema.observation} == {
        "observation.images.wrist": ((32, 32, 3), "uint8"),
        "observation.images.third_person": ((24, 32, 3), "uint8"),
        "observation.state": ((8,), "float32"),
        "observation.gripper_to_world": ((4, 4), "float32"),
    }
    assert (schema.action.shape, schema.action.unit) == ((8, 6), "m/s, rad/s")
    assert (schema.control_hz, schema.gripper) == (15.0, GripperConvention.OPEN_0_CLOSED_1)


def test_the_answer_is_lerobot_s_own_turned_into_world_axes(act):
    """Against the policy and processors as LeRobot loads them."""
    import torch
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    backend = ready(act)
    arrays = generalists.observed(backend.schema)
    arrays["observation.gripper_to_world"] = np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)  # pointing down
    policy = ACTPolicy.from_pretrained(act)
    before, after = make_pre_post_processors(policy.config, pretrained_path=str(act))
    batch = {name: torch.from_numpy(arrays[name]) for name in arrays if name in policy.config.input_features}
    batch = {name: value.permute(2, 0, 1) / 255.0 if value.ndim == 3 else value for name, value in batch.items()}
    with torch.no_grad():
        want = after(policy.predict_action_chunk(before(batch)))[0].numpy()
    found = infer(backend, **arrays)
    np.testing.assert_allclose(found.actions[0], want[0, :6] * [1, -1, -1, 1, -1, -1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.gripper, np.clip(want[:, 6], 0, 1), rtol=1e-4, atol=1e-6)


MISFITS = {
    "action width": (lambda p: p["action"].update(layout=["motion", "gripper"]), "gives 8 values.* has 7"),
    "joints": (lambda p: p.update(joints=6), "number of joints .*joints: 6, state: 7"),
    "state": (lambda p: p["state"].update(layout=["gripper_position"]), "gripper_position.* cannot have 8 values"),
    "camera not described": (lambda p: p["cameras"].pop("wrist"), "which camera shows 'wrist'"),
    "camera of another policy": (lambda p: p["cameras"].update(wrst=None), "Did you mean 'wrist'"),
    "camera left out": (lambda p: p["cameras"].update(wrist=None), "cannot do without the camera 'wrist'"),
    "no state profile, no camera": (lambda p: p.update(cameras={}), "which camera shows"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_profile_that_does_not_fit_the_checkpoint_is_refused_at_load(misfit, act, tmp_path):
    change, named = MISFITS[misfit]
    with pytest.raises(CheckpointError, match=named):
        ready(act, profile(tmp_path, change))


def test_a_camera_may_be_left_out_where_the_policy_masks_it_and_only_on_purpose(pi0, tmp_path):
    backend = ready(pi0, profile(tmp_path, lambda p: p["cameras"].update(third_person=None)))
    assert [spec.name for spec in backend.schema.observation if "images" in spec.name] == ["observation.images.wrist"]
    infer(backend)
    with pytest.raises(CheckpointError, match="leaves out every camera"):
        ready(pi0, profile(tmp_path, lambda p: p.update(cameras={"wrist": None, "third_person": None})))


def test_a_policy_that_pads_its_images_itself_gets_the_camera_s_own(pi0, tmp_path):
    wide = {"camera": "third_person", "resize": "policy"}
    backend = ready(pi0, profile(tmp_path, lambda p: p["cameras"].update(third_person=wide)))
    (spec,) = [spec for spec in backend.schema.observation if "third_person" in spec.name]
    assert spec.shape == (-1, -1, 3)
    infer(backend, **{spec.name: np.full((48, 64, 3), 9, np.uint8)})


def test_only_twice_the_actions_that_are_executed_are_sent(act, tmp_path):
    assert ready(act, profile(tmp_path, lambda p: p.update(execute=2))).schema.action.shape == (4, 6)


def test_a_privileged_input_is_refused(act):
    config = json.loads((act / "config.json").read_text())
    config["input_features"]["observation.privileged.boxes"] = {"type": "STATE", "shape": [5]}
    (act / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"observation\.privileged\.boxes"):
        ready(act)


def test_a_policy_of_several_observations_is_refused(tmp_path):
    folder = generalists.save_diffusion(tmp_path / "policy", n_obs_steps=2, drop_n_last_frames=3)
    with pytest.raises(CheckpointError, match="2 observations at a time"):
        ready(folder)


def test_an_answer_far_out_of_bounds_never_becomes_ready(act, tmp_path):
    (state,) = act.glob("policy_postprocessor*.safetensors")
    statistics = load_file(state)
    save_file(statistics | {"action.mean": np.full(8, 50.0, np.float32)}, state)
    with pytest.raises(CheckpointError, match=r"x is .* outside the -1 to 1 of the profile baton_sim"):
        ready(act)


def test_nothing_that_is_not_finite_or_refused_leaves_the_backend(act):
    backend = ready(act)
    for column, value, error in ((3, np.nan, SpecError), (2, 7.0, SpecError), (7, 30.0, PlanningError)):
        bias = backend._policy.model.action_head.bias
        kept = bias.detach().clone()
        bias.data[column] = value / 0.05 if np.isfinite(value) else value
        with pytest.raises(error):
            infer(backend)
        bias.data.copy_(kept)
    infer(backend)


def test_a_policy_that_refuses_everything_still_becomes_ready(act):
    (state,) = act.glob("policy_postprocessor*.safetensors")
    statistics = load_file(state)
    statistics["action.mean"] = np.array([0, 0, 0, 0, 0, 0, 0, 1], np.float32)
    save_file(statistics, state)
    with pytest.raises(PlanningError, match="refuses"):
        infer(ready(act))


def test_a_refusal_and_a_broken_chunk_reach_the_client_as_rejections(act):
    backend = LeRobotBackend(LeRobotConfig(path=act, profile="baton_sim"))
    with Served(backend) as server, PolicyClient(server.endpoint) as client:
        eventually(lambda: client.link().state is LinkState.READY, 60)
        arrays, bias = generalists.observed(backend.schema), backend._policy.model.action_head.bias
        for seq, (column, value, named) in enumerate([(7, 600.0, "refuses"), (3, np.nan, "not finite")], start=1):
            bias.data[column] = value
            client.request(arrays, instruction="pick", epoch=1, seq=seq, captured_at_s=0.0, deadline_s=20.0)
            assert client.wait(20.0)
            reply = client.poll()
            assert reply.outcome is ReplyOutcome.REJECTED
            assert named in reply.detail
            assert reply.chunk is None


class Served(RunningServer):
    def __exit__(self, *exc):
        self.server.stop()
        self._thread.join(10.0)


def test_weights_under_openpi_s_names_are_loaded_and_answer_the_same(pi0, saved_pi0):
    tensors = load_file(pi0 / WEIGHTS)
    renamed = {key.removeprefix("model."): value for key, value in tensors.items()}
    embedding = "paligemma_with_expert.paligemma.model.language_model.embed_tokens.weight"
    head = "paligemma_with_expert.paligemma.lm_head.weight"
    renamed[head] = renamed.pop(embedding)
    save_file(renamed, pi0 / WEIGHTS)
    again = infer(ready(pi0))
    assert again.actions.tobytes() == infer(ready(saved_pi0)).actions.tobytes()
    del renamed[head]
    save_file(renamed, pi0 / WEIGHTS)
    with pytest.raises(CheckpointError, match="missing"):
        ready(pi0)


def test_lerobot_alone_would_serve_random_weights(pi0):
    """Why the weights are checked here: LeRobot's own loader answers a truncated file with a random model."""
    from lerobot.policies.pi0.modeling_pi0 import PI0Policy

    data = (pi0 / WEIGHTS).read_bytes()
    (pi0 / WEIGHTS).write_bytes(data[: len(data) // 2])
    assert isinstance(PI0Policy.from_pretrained(pi0), PI0Policy)
    with pytest.raises(CheckpointError, match="damaged or incomplete"):
        ready(pi0)


def test_real_time_chunking_in_a_checkpoint_does_not_stand_in_the_way(pi0):
    config = json.loads((pi0 / "config.json").read_text())
    config["rtc_config"] = {"enabled": True, "execution_horizon": 4}
    (pi0 / "config.json").write_text(json.dumps(config))
    assert np.isfinite(infer(ready(pi0)).actions).all()


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(pi0):
    generalists.save_tokenizer(pi0 / "tokenizer", [f"word{index}" for index in range(500)])
    with pytest.raises(CheckpointError, match=r"tokenizer .* has 757 tokens, but .*embed_tokens of its model has 300"):
        ready(pi0)


def test_a_tokenizer_that_is_not_on_this_machine_is_named(pi0):
    shutil.rmtree(pi0 / "tokenizer")
    with pytest.raises(CheckpointError, match=r"'google/paligemma-3b-pt-224', which is not on this machine.*tokenizer"):
        ready(pi0)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "tokenizer.json"])
def test_an_incomplete_tokenizer_is_refused(pi0, name):
    (pi0 / "tokenizer" / name).unlink()
    with pytest.raises(CheckpointError, match="okenizer"):
        ready(pi0)


def test_a_step_that_would_run_code_from_the_hub_is_refused(pi0):
    path = pi0 / "policy_preprocessor.json"
    steps = json.loads(path.read_text())
    steps["steps"].append({"registry_name": "action_tokenizer_processor", "config": {}})
    path.write_text(json.dumps(steps))
    with pytest.raises(CheckpointError, match="code from the hub"):
        ready(pi0)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_digests_that_the_folder_states_are_checked(act):
    (act / "SHA256SUMS").write_text(f"{sha256(act / WEIGHTS)}  {WEIGHTS}\n{sha256(act / 'config.json')} *config.json\n")
    (act / "CARD.md").write_text(f"| `{WEIGHTS}` | SHA-256 {sha256(act / WEIGHTS)} |\n")
    ready(act)
    with (act / "config.json").open("a") as file:
        file.write("\n")
    with pytest.raises(CheckpointError, match=r"config\.json has SHA-256 .*, but SHA256SUMS states"):
        ready(act)
    (act / "SHA256SUMS").unlink()
    (act / "CARD.md").write_text(f"| `{WEIGHTS}` | SHA-256 {'0' * 64} |\n")
    with pytest.raises(CheckpointError, match=rf"CARD\.md states {'0' * 64}"):
        ready(act)


def test_a_file_whose_digest_is_stated_must_be_there(act):
    (act / "SHA256SUMS").write_text(f"{'0' * 64}  tokenizer.json\n")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json, which is missing"):
        ready(act)


def test_a_name_on_the_hub_is_one_sentence_while_offline():
    with pytest.raises(CheckpointError, match=r"baton-tests/none is no folder here.*HF_HUB_OFFLINE is set") as caught:
        ready(Path("baton-tests/none"))
    assert "\n" not in str(caught.value)


def test_a_folder_that_does_not_exist_is_no_name_on_the_hub(tmp_path):
    with pytest.raises(CheckpointError, match="no policy folder"):
        ready(tmp_path / "none")


def test_a_name_on_the_hub_is_downloaded_once_and_then_nothing_else_is(act, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants

    asked = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: asked.append(name) or str(act))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    ready(Path("someone/policy"))
    assert asked == ["someone/policy"]
    assert constants.HF_HUB_OFFLINE
    assert huggingface_hub.is_offline_mode()


@pytest.mark.parametrize("name", ["org/name", "a/b.c-d_e"])
def test_what_is_a_name_on_the_hub(name):
    assert hub.HUB_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["/abs/path", "./a/b", "a", "a/b/c", "../up", "~/home"])
def test_what_is_none(name):
    assert not hub.HUB_NAME.fullmatch(name)


def test_every_refusal_is_one_of_ours(act):
    (act / "config.json").write_text("{}")
    with pytest.raises(BatonError):
        ready(act)
