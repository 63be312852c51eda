"""What the process that owns the robot must not import."""

import subprocess
import sys


def test_client_and_skill_import_neither_torch_nor_lerobot_nor_the_other_rooms():
    code = (
        "import sys, vla_bridge.client, vla_bridge.skill, vla_bridge.process\n"
        "heavy = {'torch', 'lerobot', 'draccus', 'handoff', 'search_policy', 'mujoco'} & set(sys.modules)\n"
        "sys.exit(' '.join(heavy) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_serve_and_its_help_import_no_torch():
    code = (
        "import sys, vla_bridge.serve\n"
        "from vla_bridge.backends.base import BackendConfig\n"
        "BackendConfig.get_known_choices()\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
