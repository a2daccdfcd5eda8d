"""Ansible's own programs, as an operator types them in ansible/, writing nowhere but to a test's folder."""

import os
import subprocess
from pathlib import Path

import pytest

from localcloud.environment import without_outside

ROOT = Path(__file__).parents[2]
ANSIBLE = ROOT / "ansible"
TOOLS = ROOT / "build" / "ansible" / "bin"
ROLES = sorted(path.name for path in (ANSIBLE / "roles").iterdir())

NEEDS = pytest.mark.skipif(
    not TOOLS.is_dir(), reason="Ansible's own environment is not there; run: make build/ansible/ready"
)


def run(folder: Path, *command: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """One of Ansible's programs, in ansible/, writing to `folder` alone."""
    own = {"HOME": str(folder), "ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1"}
    own |= {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    environ = without_outside(os.environ) | own | more
    line = [str(TOOLS / command[0]), *command[1:]]
    return subprocess.run(line, cwd=ANSIBLE, env=environ, capture_output=True, text=True, timeout=100, check=False)
