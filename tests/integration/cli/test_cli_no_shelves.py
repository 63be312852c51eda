"""Every command that searches refuses a task without shelves in one sentence, before it writes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from handoff.cli import main


@pytest.mark.parametrize(
    "arguments",
    [
        ["rollout", "--task=koch_lift"],
        ["train", "--collect.tasks=koch_lift"],
        ["fit-insight", "--tasks=koch_lift"],
        ["experiment", "quick", "--tasks=koch_lift"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_task_without_shelves_is_refused(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert main([*arguments, f"--out={folder}"]) == 2
    assert "koch_lift has no shelves to search" in capsys.readouterr().err
    assert not folder.exists()
