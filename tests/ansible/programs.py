"""Ansible's own programs, as an operator types them in ansible/, writing nowhere but to a test's folder."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from localcloud.environment import without_outside

ROOT = Path(__file__).parents[2]
ANSIBLE = ROOT / "ansible"
TOOLS = ROOT / "build" / "ansible" / "bin"
ROLES = sorted(path.name for path in (ANSIBLE / "roles").iterdir())

NEEDS = pytest.mark.skipif(
    not TOOLS.is_dir(), reason="Ansible's own environment is not there; run: make build/ansible/ready"
)


def run(
    folder: Path, *command: str, seconds: float = 100, cwd: Path = ANSIBLE, **more: str
) -> "subprocess.CompletedProcess[str]":
    """One of Ansible's programs, in ansible/ or `cwd`, writing to `folder` alone."""
    own = {"HOME": str(folder), "ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1"}
    own |= {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    environ = without_outside(os.environ) | own | more
    line = [str(TOOLS / command[0]), *command[1:]]
    return subprocess.run(
        line,
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def rendered(folder: Path, paths: Sequence[str], **variables: str) -> list[Path]:
    """Files of roles, relative to roles/, as Ansible writes them to `folder` with the roles' defaults."""
    files = [folder / Path(path).name for path in paths]
    defaults = [path for part in ("defaults", "vars") for path in (ANSIBLE / "roles").glob(f"*/{part}/main.yml")]
    defaults += (ANSIBLE / "group_vars" / "all").glob("*.yml")
    pairs = zip(paths, files, strict=True)
    tasks = [
        {"ansible.builtin.template": {"src": str(ANSIBLE / "roles" / path), "dest": str(file)}} for path, file in pairs
    ]
    play = {"hosts": "all", "gather_facts": False, "vars_files": [str(each) for each in defaults], "tasks": tasks}
    (folder / "render.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    given = {"service_version": "0" * 64, "service_role": "node", **variables}
    extra = json.dumps(given | {"ansible_python_interpreter": str(TOOLS / "python")})
    done = run(folder, "ansible-playbook", "-i", "localhost,", "-c", "local", str(folder / "render.yml"), "-e", extra)
    assert done.returncode == 0, done.stdout
    return files
