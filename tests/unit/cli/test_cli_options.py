"""Every mistake on the command line: one sentence, exit code 2, the valid choices, and a hint."""

import contextlib
import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff import cli
from handoff.commands.options import option_lines, parse_options
from handoff.config import EvalConfig
from robots.errors import UsageError
from search_policy.learning.heads.config import HEADS


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["dem"], ["command 'dem'", "Did you mean 'demo'?"]),
        (["demo", "--episode", "3"], ["option '--episode'", "Did you mean '--episodes'?", "--seed_base"]),
        (["demo", "--episodes", "many"], ["episodes", "many", "int"]),
        (["demo", "--episodes", "2.5"], ["episodes", "2.5"]),
        (["demo", "--episodes", "0"], ["episodes must be at least 1"]),
        (["demo", "--episodes"], ["--episodes needs a value"]),
        (["demo", "3"], ["Unexpected argument '3'"]),
        (["demo", "--dataset", "maybe"], ["dataset", "maybe"]),
        (["demo", "--methods", "search,sweep+handoff"], ["method 'search'", "Did you mean 'search+handoff'?"]),
        (["demo", "--methods", ""], ["at least one method"]),
        (["demo", "--methods", "generalist,generalist"], ["each one once"]),
        (
            ["demo", "--task", "bookshelf_pinapple"],
            ["task 'bookshelf_pinapple'", "Did you mean 'bookshelf_pineapple'?"],
        ),
        (["demo", "--vla.type", "pi0"], ["policy backend 'pi0'", "expert, lerobot"]),
        (["demo", "--vla.type", "lerobot"], ["--vla.policy_path"]),
        (["demo", "--vla", "x"], ["option '--vla'", "--vla.type"]),
        (["demo", "--config_path", "/does/not/exist.yaml"], ["Cannot read", "/does/not/exist.yaml"]),
        (["demo", "--resume"], ["--out"]),
        (["eval", "--resume", "--out", "/does/not/exist"], ["holds no run to resume"]),
        (["version", "--loud"], ["takes no options"]),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(capsys, arguments, parts):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("episode: 3\n", ["key 'episode'", "Did you mean 'episodes'?"]),
        ("vla:\n  typ: expert\n", ["key 'vla.typ'", "Did you mean 'vla.type'?"]),
        ("vla: expert\n", ["vla in"]),
        ("methods: generalist\n", ["must be a list"]),
        ("methods: [generalist\n", ["not valid YAML"]),
        ("- 1\n", ["key: value"]),
        ("task: on\n", ["must be text"]),
        ("episodes: [1]\n", ["episodes"]),
    ],
)
def test_a_mistake_in_yaml_names_the_file(tmp_path, capsys, text, parts):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert cli.main(["eval", "--config_path", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


def test_options_win_over_yaml_and_yaml_over_defaults(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("episodes: 7\nvideos: 0\nvla:\n  type: expert\n")
    config = parse_options(
        EvalConfig, ["--config_path", str(path), "--episodes=4", "--variant=absent", "--seed-base", "9"]
    )
    assert (config.episodes, config.videos, config.variant, config.seed_base) == (4, 0, "absent", 9)
    assert config.methods == EvalConfig().methods


@settings(deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_texts_are_taken_as_they_are(text):
    if text.startswith(("--", "include")):
        return
    assert parse_options(EvalConfig, ["--out", text]).out == text


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4))
def test_any_arguments_give_a_config_or_one_usage_error(arguments):
    with contextlib.suppress(UsageError):
        assert isinstance(parse_options(EvalConfig, arguments), EvalConfig)


def test_help_names_every_option(capsys):
    assert cli.main(["demo", "--help"]) == 0
    out = capsys.readouterr().out
    for field in dataclasses.fields(EvalConfig):
        assert f"--{field.name}" in out
    assert all(len(line) <= 140 for line in out.splitlines())


def test_every_option_is_explained():
    for line in option_lines(EvalConfig):
        assert len(line.split("  ", 2)[-1].strip()) > 10


def test_the_bare_command_lists_the_commands(capsys):
    assert cli.main([]) == 0
    out = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert f"  {name}" in out


def test_an_interrupt_ends_with_130(capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupt)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("number", "part"), [(28, "free some space"), (13, "may write to"), (20, "another folder")])
def test_a_disk_error_says_what_to_do(capsys, monkeypatch, number, part):
    import os

    def fail(*_):
        raise OSError(number, os.strerror(number), "/runs/x")

    monkeypatch.setattr(cli, "_run", fail)
    assert cli.main(["demo"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "/runs/x" in err
    assert part in err


def test_the_help_lists_every_head(capsys):
    assert cli.main(["train", "--help"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["--head"])
    assert all(name in line for name in HEADS)
