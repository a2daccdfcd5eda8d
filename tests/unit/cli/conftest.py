"""For the command line: a checkout of its own for each test."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "stand_ins"))

from cli_checkout import PULUMI, ROOT, Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root, programs = tmp_path / "checkout", tmp_path / "bin"
    root.mkdir()
    programs.mkdir()
    (root / "Pulumi.yaml").write_text("name: warmfleet\nruntime: python\n")
    shutil.copy(ROOT / "Pulumi.local.yaml", root)
    (programs / "pulumi").write_text(PULUMI)
    (programs / "pulumi").chmod(0o755)
    python_path = os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)])
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    made = Checkout(root, programs, {**os.environ, "PATH": path, "PYTHONPATH": python_path, "NO_COLOR": "1"})
    made.outputs()
    made.behaviour("exit 0")
    return made


@pytest.fixture
def json_of() -> Callable[[subprocess.CompletedProcess[str]], Any]:
    """The one JSON object that a command printed, and a check that it succeeded."""

    def parse(done: subprocess.CompletedProcess[str]) -> Any:
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return parse
