"""Run as a program: kills recording processes at random moments and prints what survived, one JSON line per kill.

A process imports LeRobot once (seconds) and forks every victim, which records and merges until it is killed.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time

import tests.conftest  # noqa: F401  (offline, one thread)
from handoff.dataset.part import prepare_lerobot
from handoff.dataset.recording import Recording
from tests.dataset_fakes import layout, record

EPISODES_PER_MERGE = 3
LONGEST_S = 1.0


def victim(root, acknowledged, video):
    """Record for ever; a name is acknowledged once `end` has returned."""
    descriptor = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        with Recording(root, layout(video=video), wait=True) as recording:
            for _ in range(EPISODES_PER_MERGE):
                recorder = record(recording.episode(), steps=4)
                recorder.raise_failure()
                os.write(descriptor, f"{recorder.part.name}\n".encode())


def survivors(root):
    """Verify, repair, verify again and read every frame with LeRobot."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    from handoff.dataset.folder import DatasetFolder, noted_names
    from handoff.dataset.verify import verify

    folder = DatasetFolder(root)
    if not folder.exists():
        return {"names": [], "damaged": [], "lost": [], "read": 0}
    before = [finding.problem for finding in verify(root).findings] if root.is_dir() else []
    lost = [loss.reason for loss in folder.repair().lost]
    if not root.is_dir():
        return {"names": [], "damaged": before, "lost": lost, "read": 0}
    after = [finding.problem for finding in verify(root).findings]
    dataset = LeRobotDataset("local/survivor", root=root, video_backend="pyav")
    read = sum(dataset[index]["action"].shape == (4,) for index in range(len(dataset)))
    return {"names": noted_names(root), "damaged": [*before, *after], "lost": lost, "read": read}


def kill_once(folder, rng, *, video):
    """Start a victim, kill it after a random time, return what is left."""
    root, acknowledged = folder / "data", folder / "acknowledged"
    child = os.fork()
    if child == 0:
        try:
            victim(root, acknowledged, video)
        finally:
            os._exit(1)
    delay_s = rng.uniform(0.0, LONGEST_S)
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    names = acknowledged.read_text().split() if acknowledged.exists() else []
    staged = len([*folder.glob("data.journal/.stage-*"), *folder.glob(".data.stage-*")])
    return {
        "delay_s": round(delay_s, 3),
        "killed": os.WTERMSIG(status) == signal.SIGKILL,
        "staged": staged,
        "acknowledged": names,
        **survivors(root),
    }


def main(place, seed, kills):
    prepare_lerobot()
    rng = random.Random(seed)
    for number in range(kills):
        folder = pathlib.Path(place) / str(number)
        folder.mkdir()
        print(json.dumps(kill_once(folder, rng, video=number % 4 == 3)), flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
