"""`baton serve` names every mistake in one line before anything is loaded."""

import pytest

from handoff.cli import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backend.type=exprt"], ["Unknown backend 'exprt'", "lerobot", "Did you mean 'expert'"]),
        (["--backend.horizn=3"], ["--backend.horizn", "Did you mean '--backend.horizon'"]),
        (["--backend.type", "lerobot", "--backend.pth", "x"], ["Did you mean '--backend.path'"]),
        (["--port"], ["--port needs a value"]),
        (["--port=99999"], ["Port 99999 does not exist"]),
        (["--host=0.0.0.0"], ["not this machine"]),
        (["--log_level=loud"], ["Unknown log level 'loud'", "warning"]),
        (["--config_path=nowhere.yaml"], ["Cannot read the configuration nowhere.yaml"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, words, capsys):
    assert main(["serve", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    for word in words:
        assert word in error


def test_an_unknown_yaml_key_is_named_with_its_file(tmp_path, capsys):
    file = tmp_path / "serve.yaml"
    file.write_text("backend:\n  type: expert\n  horizn: 3\n")
    assert main(["serve", f"--config_path={file}"]) == 2
    error = capsys.readouterr().err
    assert str(file) in error
    assert "Did you mean 'backend.horizon'" in error


def test_a_policy_that_cannot_be_loaded_ends_the_server(tmp_path, capsys):
    assert main(["serve", "--backend.type=lerobot", f"--backend.path={tmp_path}", "--port=0"]) == 2
    assert "config.json is missing" in capsys.readouterr().err.splitlines()[-1]


def test_help_lists_the_options_of_every_backend(capsys):
    assert main(["serve", "--help"]) == 0
    shown = capsys.readouterr().out
    for option in ("--backend.type", "--backend.horizon", "--backend.sha256", "--port"):
        assert option in shown
