"""The contract of `vla_bridge.backends.base.Backend`: every backend passes the same suite."""

import numpy as np
import pytest

from robots.types import ActionSpace
from tests.bridge_fakes import FakeBackend
from vla_bridge.messages import GripperConvention, Infer, PolicySchema

pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
    pytest.mark.filterwarnings("default::UserWarning"),
]


def fake(tmp_path_factory):
    return FakeBackend()


def lerobot(tmp_path_factory):
    from tests.bridge_policies import save_tiny_act
    from vla_bridge.backends.lerobot import LeRobotBackend, LeRobotConfig

    return LeRobotBackend(LeRobotConfig(path=save_tiny_act(tmp_path_factory.mktemp("contract") / "act")))


@pytest.fixture(scope="module", params=[fake, lerobot])
def backend(request, tmp_path_factory):
    backend = request.param(tmp_path_factory)
    backend.load()
    backend.warm()
    return backend


def request_for(backend, seed=0, seq=1):
    rng = np.random.default_rng(seed)
    arrays = {}
    for spec in backend.schema.observation:
        array = spec.zeros()
        if spec.dtype == "uint8":
            array = rng.integers(0, 256, array.shape, dtype=np.uint8)
        array.setflags(write=False)
        arrays[spec.name] = array
    return Infer("session", 1, seq, 0.0, 1.0, "pick up the pineapple", arrays)


def test_the_schema_is_complete_and_constant(backend):
    schema = backend.schema
    assert isinstance(schema, PolicySchema)
    assert schema == backend.schema
    assert schema.horizon >= 1
    assert schema.action_dim >= 1
    assert schema.control_hz > 0
    assert isinstance(schema.action_space, ActionSpace)
    names = [spec.name for spec in schema.observation]
    assert len(set(names)) == len(names) > 0


def test_answers_fit_the_schema(backend):
    prediction = backend.infer(request_for(backend))
    backend.schema.action.validate(prediction.actions)
    if backend.schema.gripper is GripperConvention.NONE:
        assert prediction.gripper is None
    else:
        assert prediction.gripper.shape == (backend.schema.horizon,)
        assert ((prediction.gripper >= 0) & (prediction.gripper <= 1)).all()


def test_the_same_request_after_a_reset_gives_the_same_bits(backend):
    backend.reset("session")
    first = backend.infer(request_for(backend))
    backend.reset("session")
    second = backend.infer(request_for(backend))
    assert first.actions.tobytes() == second.actions.tobytes()


def test_the_request_is_left_as_it_was(backend):
    request = request_for(backend)
    before = {name: array.copy() for name, array in request.arrays.items()}
    backend.infer(request)
    for name, array in before.items():
        assert np.array_equal(request.arrays[name], array)


def test_resetting_an_unknown_session_is_harmless(backend):
    backend.reset("never seen")
    backend.infer(request_for(backend))
