"""Are the weights there, undamaged, and the right ones for the task?"""

from __future__ import annotations

from pathlib import Path

from handoff.commands.doctor_checks.finding import Finding
from handoff.commands.doctor_checks.installation import INSTALL
from handoff.detectors import color_shape
from robots.errors import BatonError


def check_detector(task: str = "", folder: Path = color_shape.WEIGHTS) -> Finding:
    """Every shipped detector loads and matches its hash; with `task`, one of them knows its target.

    Raises:
        UsageError: There is no such task.
    """
    names = sorted(path.stem for path in folder.glob("*.safetensors"))
    if not names:
        return Finding("detector weights", "none found", INSTALL)
    try:
        for name in names:
            color_shape.load_model(folder / f"{name}.safetensors")
    except BatonError as error:
        return Finding("detector weights", str(error), INSTALL)
    target = _target_of(task)
    if target and target not in names:
        remedy = f"Fit one: baton fit-detector --task {task}"
        return Finding("detector weights", f"none for {target}, the target of {task}; for {', '.join(names)}", remedy)
    return Finding("detector weights", f"hashes match: {', '.join(names)}")


def check_search_policy(folder: Path) -> Finding:
    """The search policy loads and matches its hash."""
    from search_policy.searchers.choosers import PolicyChooser

    try:
        PolicyChooser.load(folder)
    except BatonError as error:
        remedy = "Train one with `baton train`, and name it: baton eval --policy FOLDER"
        return Finding("search policy", str(error), remedy)
    return Finding("search policy", "weights load and match their hash")


def check_policy_folder(folder: Path) -> Finding:
    """A LeRobot policy folder is complete and its weights are readable."""
    from vla_bridge.backends.checkpoints import read_weights_header

    try:
        tensors = read_weights_header(folder)
    except BatonError as error:
        return Finding(
            "policy folder", str(error), "Name a folder that save_pretrained wrote: --vla.policy_path FOLDER"
        )
    return Finding("policy folder", f"{folder}: {len(tensors)} tensors")


def _target_of(task: str) -> str:
    if not task:
        return ""
    from robots.sim.tasks import find_task

    return find_task(task).target
