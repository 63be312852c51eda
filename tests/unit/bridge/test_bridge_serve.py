"""Options of the server process."""

from pathlib import Path

import pytest

from robots.errors import UsageError
from vla_bridge.backends.lerobot import LeRobotConfig
from vla_bridge.endpoints import check_endpoint, tcp_endpoint
from vla_bridge.serve import parse

CONFIGS = Path(__file__).parents[3] / "configs" / "bridge"


def test_options_build_the_named_backend_s_configuration(tmp_path):
    config = parse(
        ["--backend.type=lerobot", f"--backend.path={tmp_path}", "--backend.action_space=joint_velocity", "--port=0"]
    )
    assert config.backend == LeRobotConfig(path=tmp_path, action_space="joint_velocity")
    assert config.port == 0


@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_rate_that_makes_no_sense_is_a_usage_error(value, tmp_path):
    with pytest.raises(UsageError, match="control_hz"):
        parse(["--backend.type=lerobot", f"--backend.path={tmp_path}", f"--backend.control_hz={value}"])


def test_an_unknown_action_space_lists_the_valid_ones(tmp_path):
    with pytest.raises(UsageError, match="joint_velocity"):
        parse(["--backend.type=lerobot", f"--backend.path={tmp_path}", "--backend.action_space=joint_velocty"])


def test_an_unknown_log_level_lists_the_valid_ones():
    with pytest.raises(UsageError, match="Did you mean 'debug'"):
        parse(["--backend.type=expert", "--log_level=debg"])


def test_an_unknown_backend_lists_the_valid_ones():
    with pytest.raises((UsageError, SystemExit)):
        parse(["--backend.type=exprt"])


def test_a_missing_backend_is_a_usage_error():
    with pytest.raises(UsageError, match="backend"):
        parse(["--port=0"])


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist(port):
    with pytest.raises(UsageError, match="does not exist"):
        tcp_endpoint("127.0.0.1", port)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1", "ipc:///run/x"])
def test_loopback_endpoints(endpoint):
    assert check_endpoint(endpoint) == endpoint


@pytest.mark.parametrize("endpoint", ["", "tcp://127.0.0.1", "udp://127.0.0.1:1", "127.0.0.1:1", "tcp://example.org:1"])
def test_other_endpoints(endpoint):
    with pytest.raises(UsageError):
        check_endpoint(endpoint)


@pytest.mark.parametrize("name", ["expert", "lerobot"])
def test_the_shipped_configurations_are_understood(name):
    config = parse([f"--config_path={CONFIGS / name}.yaml", "--port=0"])
    assert type(config.backend).__name__.lower() == f"{name}config"
    assert config.port == 0
