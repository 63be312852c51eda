"""The shape of the house: import direction, a control side without torch, and no pickle anywhere."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
ROOMS = ("robots", "search_policy", "vla_bridge", "handoff")
MAY_IMPORT = {
    "robots": {"robots"},
    "search_policy": {"robots", "search_policy"},
    "vla_bridge": {"robots", "vla_bridge"},
    "handoff": {"robots", "handoff"},
}
COMPOSITION_ROOT = ("handoff/cli.py", "handoff/commands/")
TORCH_ALLOWED = (
    "search_policy/",
    "vla_bridge/backends/",
    "vla_bridge/training/",
    "vla_bridge/policies/",
    "robots/lerobot_adapter",
    "robots/lerobot_plugin/",
    "handoff/detectors/",
)
HEAVY = {"torch", "lerobot", "transformers", "mujoco", "mink"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
FORBIDDEN_CALLS = {
    "recv_pyobj",
    "send_pyobj",
    "torch.load",
    "torch.save",
    "numpy.load",
    "np.load",
    "np.save",
    "joblib.load",
}


def sources():
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def imports_of(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def module_level(tree):
    """Drop function bodies and `if TYPE_CHECKING`: what is left runs at import."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_imports_follow_the_direction(path):
    if name_of(path).startswith(COMPOSITION_ROOT):
        return
    room = name_of(path).split("/")[0]
    rooms = {module.split(".")[0] for module in imports_of(ast.parse(path.read_text()))} & set(ROOMS)
    assert rooms <= MAY_IMPORT[room], f"{name_of(path)} imports {sorted(rooms - MAY_IMPORT[room])}"


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_nothing_can_unpickle(path):
    tree = ast.parse(path.read_text())
    modules = {module.split(".")[0] for module in imports_of(tree)}
    assert not modules & FORBIDDEN_MODULES
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not {call for call in calls if call in FORBIDDEN_CALLS or call.split(".")[-1] in FORBIDDEN_CALLS}
    flags = {
        keyword.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if isinstance(keyword.value, ast.Constant) and keyword.value.value is True
    }
    assert not flags & {"trust_remote_code", "allow_pickle"}


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_the_async_server_of_lerobot_is_never_used(path):
    modules = set(imports_of(ast.parse(path.read_text())))
    assert not {name for name in modules if name.startswith(("lerobot.async_inference", "lerobot.transport"))}


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_heavy_packages_are_imported_lazily_outside_their_rooms(path):
    name = name_of(path)
    if name.startswith((*TORCH_ALLOWED, "robots/sim/")):
        return
    heavy = {
        module.split(".")[0] for node in module_level(ast.parse(path.read_text())) for module in imports_of(node)
    } & HEAVY
    assert not heavy, f"{name} imports {sorted(heavy)} at module level"


def test_the_control_side_starts_without_torch():
    modules = "handoff, handoff.controller, handoff.cli, vla_bridge.client, vla_bridge.skill, robots.fake"
    check = f"import sys, {modules}; print(sorted({{'torch', 'lerobot', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_lerobot_plugin_is_for_lerobot_only():
    users = [path for path in sources() if any("lerobot_plugin" in m for m in imports_of(ast.parse(path.read_text())))]
    assert {path.parent.name for path in users} == {"lerobot_plugin"}


def test_configs_hold_data_only():
    assert not list((ROOT / "configs").rglob("*.py"))


def test_a_file_stays_one_idea():
    long = [f"{name_of(path)}: {n}" for path in sources() if (n := len(path.read_text().splitlines())) > 300]
    assert not long
