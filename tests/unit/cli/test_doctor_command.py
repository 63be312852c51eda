"""`baton doctor` as a command: exit codes, the table, JSON, and the checks of the installation and the server."""

import importlib.metadata
import json
import shutil
import socket

import pytest

from handoff.cli import main
from handoff.commands import doctor
from handoff.commands.doctor_checks import installation, weights
from handoff.commands.doctor_checks.finding import Finding, as_json, as_table
from handoff.commands.doctor_checks.server import check_server
from handoff.detectors.color_shape import WEIGHTS
from tests.bridge_fakes import FakeBackend, FakeConfig, RunningServer

GOOD, BAD = Finding("one", "fine"), Finding("another", "broken", "Mend it.")


def test_the_table_puts_the_remedy_below_and_counts():
    assert as_table([GOOD, BAD]) == [
        "ok    one      fine",
        "FAIL  another  broken",
        "               Mend it.",
        "1 of 2 checks passed.",
    ]


def test_the_json_has_a_schema_and_every_field():
    assert as_json([GOOD, BAD]) == {
        "schema": "baton.doctor/1",
        "passed": False,
        "checks": [
            {"status": "ok", "name": "one", "detail": "fine", "remedy": ""},
            {"status": "fail", "name": "another", "detail": "broken", "remedy": "Mend it."},
        ],
    }
    assert as_json([GOOD])["passed"] is True


def test_the_command_prints_json_and_fails_with_exit_code_1(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    assert main(["doctor", "--json", "--out", str(file), f"--vla.policy_path={tmp_path}", "--port=0"]) == 1
    shown = json.loads(capsys.readouterr().out)
    failed = {check["name"]: check for check in shown["checks"] if check["status"] == "fail"}
    assert set(failed) == {"run folder", "policy folder"}
    assert all(check["remedy"] for check in failed.values())
    assert not shown["passed"]


def test_a_whole_installation_passes(tmp_path, capsys):
    assert main(["doctor", "--out", str(tmp_path / "new" / "runs"), "--task=bookshelf_duck", "--port=0"]) == 0
    assert "8 of 8 checks passed." in capsys.readouterr().out
    assert not (tmp_path / "new").exists()  # looking makes nothing


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--taks=x"], "Did you mean '--task'"),
        (["--task=bookshelf_duk"], "Did you mean 'bookshelf_duck'"),
        (["--deadline_s=0"], "must be positive"),
        (["--vla.cameras=top"], "POLICY=ROBOT"),
        (["--vla.endpoint=tcp://10.0.0.1:5656"], "not this machine"),
        (["--port=99999"], "Port 99999 does not exist"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, words, capsys):
    assert main(["doctor", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert "\n" not in error


def test_the_robot_s_own_options_are_kept_apart():
    arguments = ["--robot.type=so101_follower", "--robot.port", "/dev/ttyACM0", "--json", "--robot.use_degrees=true"]
    own, robot = doctor._split(arguments)
    assert own == ["--robot.type=so101_follower", "--json"]
    assert robot == ["--robot.port=/dev/ttyACM0", "--robot.use_degrees=true"]


def test_an_old_python():
    assert not installation.check_python((3, 11, 9)).passed
    assert installation.check_python((3, 13, 0)).passed


def test_packages_that_are_missing_or_too_old_are_named():
    def version_of(name):
        if name == "gymnasium":
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.0.1" if name == "pyzmq" else importlib.metadata.version(name)

    found = installation.check_packages(version_of)
    assert "gymnasium is missing" in found.detail
    assert "pyzmq 0.0.1 is not" in found.detail
    assert "pip install" in found.remedy


def test_a_taken_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = installation.check_port(taken.getsockname()[1])
    assert "in use" in found.detail
    assert "--port" in found.remedy


def test_a_full_disk_names_what_is_needed(tmp_path):
    found = installation.check_disk(tmp_path / "runs", lambda path: 2**29)
    assert "0.5 GiB free" in found.detail
    assert "Free 2 GiB" in found.remedy


def test_detector_weights_none_damaged_or_not_for_the_task(tmp_path):
    assert "none found" in weights.check_detector(folder=tmp_path).detail
    for file in WEIGHTS.glob("duck.*"):
        shutil.copy(file, tmp_path)
    assert weights.check_detector("bookshelf_duck", tmp_path).passed
    found = weights.check_detector("bookshelf_pineapple", tmp_path)
    assert "none for pineapple" in found.detail
    assert found.remedy == "Fit one: baton fit-detector --task bookshelf_pineapple"
    file = tmp_path / "duck.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    assert not weights.check_detector(folder=tmp_path).passed


def test_a_search_policy_that_is_not_there(tmp_path):
    found = weights.check_search_policy(tmp_path)
    assert not found.passed
    assert "baton train" in found.remedy


def test_a_server_that_answers_is_timed():
    with RunningServer() as server:
        found = check_server(server.endpoint, 10.0)
    assert found.passed
    assert "fake, 8 x 3 joint_position" in found.detail
    assert "ms a request" in found.detail


def test_nobody_at_the_endpoint():
    with socket.socket() as reserved:  # bound, so that nobody else takes it; not listening
        reserved.bind(("127.0.0.1", 0))
        found = check_server(f"tcp://127.0.0.1:{reserved.getsockname()[1]}", 0.3)
    assert "nobody answered" in found.detail
    assert "baton serve" in found.remedy


@pytest.mark.parametrize(
    ("config", "detail", "remedy"),
    [
        (FakeConfig(nan=True), "a request of zeros failed", "server's log"),
        (FakeConfig(fail_at_seq=2), "a request of zeros failed", "server's log"),
        (FakeConfig(load_s=1.0), "still loading", "--deadline_s"),
        (FakeConfig(infer_s=1.0), "failed", "--deadline_s"),
    ],
)
def test_servers_that_cannot_serve(config, detail, remedy):
    with RunningServer(FakeBackend(config)) as server:
        found = check_server(server.endpoint, 0.7)
    assert detail in found.detail
    assert remedy in found.remedy
