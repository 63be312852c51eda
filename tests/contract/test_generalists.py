"""What every kind of generalist must do behind the bridge, on LeRobot's own classes with tiny random weights."""

import shutil

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from robots.errors import BatonError, CheckpointError, SchemaError
from tests import generalists
from vla_bridge.backends.lerobot import LeRobotBackend, LeRobotConfig
from vla_bridge.messages import Infer
from vla_bridge.profiles import SHIPPED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
    pytest.mark.filterwarnings("default::UserWarning"),
]
LANGUAGE = ("pi0", "pi05", "smolvla", "film", "pi0_mini")
KINDS = ("act", "diffusion", *LANGUAGE)
WEIGHTS = "model.safetensors"


def save(kind, folder, patch):
    if kind in ("pi0", "pi05"):
        return generalists.save_pi(kind, folder, patch)
    if kind in ("film", "pi0_mini"):
        return generalists.save_mini(kind, folder)
    return {
        "act": generalists.save_act,
        "diffusion": generalists.save_diffusion,
        "smolvla": generalists.save_smolvla,
    }[kind](folder)


@pytest.fixture(scope="module", params=KINDS)
def saved(request, tmp_path_factory):
    """A kind's saved folder and the profile that describes it."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp(request.param)
        profile = yaml.safe_load((SHIPPED / "baton_sim.yaml").read_text())
        if request.param == "diffusion":
            del profile["cameras"]["third_person"]
        (root / "profile.yaml").write_text(yaml.safe_dump(profile))
        yield request.param, save(request.param, root / "policy", patch), root / "profile.yaml"


@pytest.fixture(scope="module")
def backend(saved):
    return ready(*saved[1:])


def ready(folder, profile, **options):
    backend = LeRobotBackend(LeRobotConfig(path=folder, profile=str(profile), **options))
    backend.load()
    backend.warm()
    return backend


def infer(backend, instruction="pick up the red mug", seq=1, **changed):
    arrays = generalists.observed(backend.schema) | changed
    return backend.infer(Infer("s", 1, seq, 0.0, 1.0, instruction, arrays))


def test_an_answer_fits_the_schema_and_depends_on_the_request_s_number_only(backend, saved):
    first, again = infer(backend), infer(backend)
    backend.schema.action.validate(first.actions)
    assert first.actions.shape == ((4 if saved[0] == "diffusion" else 8), 6)
    assert first.gripper.shape == (backend.schema.horizon,)
    assert first.actions.tobytes() == again.actions.tobytes()
    assert (first.actions.tobytes() == infer(backend, seq=2).actions.tobytes()) == (saved[0] in ("act", "film"))


def test_every_input_reaches_the_policy(backend, saved):
    base, other = infer(backend).actions, generalists.observed(backend.schema, seed=1)
    for name, array in other.items():
        if name != "observation.gripper_to_world":
            assert not np.array_equal(infer(backend, **{name: array}).actions, base), name
    reads = not np.array_equal(infer(backend, "the duck from the shelf").actions, base)
    assert reads == (saved[0] in LANGUAGE)


def test_a_missing_camera_is_an_error_never_a_masked_image(backend):
    for name in [spec.name for spec in backend.schema.observation if "images" in spec.name]:
        arrays = generalists.observed(backend.schema)
        del arrays[name]
        with pytest.raises(SchemaError, match=name):
            backend.infer(Infer("s", 1, 1, 0.0, 1.0, "pick", arrays))


def test_no_module_is_left_in_training_mode(backend):
    infer(backend)
    assert not [name for name, module in backend._policy.named_modules() if module.training]


def test_an_instruction_longer_than_the_context_is_rejected_with_both_lengths(backend, saved):
    if saved[0] not in LANGUAGE:
        pytest.skip("it reads no instruction")
    limit = next(step.max_length for step in backend._preprocess.steps if hasattr(step, "max_length"))
    with pytest.raises(BatonError, match=rf"{limit}") as caught:
        infer(backend, "pick up the red mug " * limit)
    assert any(number in str(caught.value) for number in (str(5 * limit), str(5 * limit + 1))) or saved[0] == "pi05"
    infer(backend)  # and the next one is answered


def truncate(folder):
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])


def edit(change):
    def damage(folder):
        tensors = load_file(folder / WEIGHTS)
        change(tensors, next(key for key, value in sorted(tensors.items()) if value.ndim == 2))
        save_file(tensors, folder / WEIGHTS)

    return damage


DAMAGES = {
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "model.safetensors is missing"),
    "truncated": (truncate, "damaged or incomplete"),
    "renamed": (edit(lambda tensors, key: tensors.update({f"{key}_old": tensors.pop(key)})), "unexpected"),
    "dropped": (edit(lambda tensors, key: tensors.pop(key)), "1 missing"),
    "foreign": (edit(lambda tensors, key: tensors.update(foreign=np.zeros(3, np.float32))), "1 unexpected"),
    "another shape": (edit(lambda tensors, key: tensors.update({key: tensors[key][:-1].copy()})), "another shape"),
    "not finite": (edit(lambda tensors, key: tensors[key].fill(np.nan)), "not finite"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_or_foreign_weights_never_become_ready(damage, saved, tmp_path):
    folder = shutil.copytree(saved[1], tmp_path / "policy")
    spoil, named = DAMAGES[damage]
    spoil(folder)
    with pytest.raises(CheckpointError, match=named):
        ready(folder, saved[2])


def test_a_processor_without_statistics_is_refused(saved, tmp_path):
    """LeRobot would hand the robot normalised actions and say nothing."""
    folder = shutil.copytree(saved[1], tmp_path / "policy")
    (state,) = folder.glob("policy_postprocessor*.safetensors")
    save_file({"other.mean": np.zeros(1, np.float32)}, state)
    with pytest.raises(CheckpointError, match="no statistics of action"):
        ready(folder, saved[2])
