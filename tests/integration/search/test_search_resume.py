"""Kill a training run with SIGKILL and continue it: the actor must be bit-identical to an uninterrupted one."""

import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from search_policy.learning.training_state import checkpoints

ROOT = Path(__file__).parents[3]
SCRIPT = textwrap.dedent(
    """
    import sys
    import numpy as np
    from search_policy.learning.config import TrainConfig
    from search_policy.learning.replay import NO_ACTION, Frames
    from search_policy.learning.trainer import train_on

    rng = np.random.default_rng(0)
    episodes, length, views = 20, 4, 21
    n = episodes * length
    last = np.arange(n) % length == length - 1
    before_last = np.arange(n) % length == length - 2
    floats = lambda *shape: rng.random((n, *shape)).astype(np.float32)
    frames = Frames(
        image=rng.integers(0, 256, (n, 84, 84, 3), dtype=np.uint8), proprioception=floats(14),
        seen_map=floats(6, 3, 12), views=floats(views, 10), mask=np.ones((n, views), dtype=bool),
        action=np.where(last, NO_ACTION, rng.integers(0, views, n)), steps=np.where(last, 0, 7), found=before_last,
        coverage_gain=floats(), collisions=np.zeros(n, dtype=np.int64), terminated=before_last,
        truncated=np.zeros(n, dtype=bool), episode=np.arange(n) // length, target_position=floats(3),
        target_present=np.ones((n, 1), dtype=np.float32), target_visibility=floats(1), views_with_target=floats(views),
    )
    config = TrainConfig(
        out=sys.argv[1], pretrain_updates=20, updates=60, batch_size=32, pretrain_batch=16, log_every=5,
        checkpoint_every=8, learning_rate=1e-3,
    )
    train_on(config, frames)
    """
)


def start(out):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(out)], cwd=ROOT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nobody interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    assert start(folder).wait(timeout=100) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("least", [8, 40], ids=["in the pretraining", "in the learning"])
def test_a_killed_run_continues_bit_exactly(tmp_path, whole, least):
    killed = tmp_path / "killed"
    process = start(killed)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and process.poll() is None:
        saved = checkpoints(killed / "checkpoints")
        if saved and saved[-1].name >= f"step-{least:08d}":
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed_from = checkpoints(killed / "checkpoints")[-1].name
    assert start(killed).wait(timeout=100) == 0
    assert resumed_from >= f"step-{least:08d}"
    assert (killed / "actor/actor.safetensors").read_bytes() == (whole / "actor/actor.safetensors").read_bytes()
    assert (killed / "curves.jsonl").read_text() == (whole / "curves.jsonl").read_text()
    assert json.loads((killed / "diagnostics.json").read_text()) == json.loads((whole / "diagnostics.json").read_text())
    assert np.all([path.suffix != ".part" for path in (killed / "checkpoints").iterdir()])
