"""The commands that README and CI promise are there, and each is a command that a person could type."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z.-]+):.* ## ", MAKEFILE, re.M)


def make(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *words],
        cwd=cwd,
        env={**environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("page", ["README.md", ".ci/run"])
def test_every_make_command_in_the_docs_exists(page: str) -> None:
    promised = set(re.findall(r"\bmake (\.?[a-z]+(?:-[a-z]+)*)", (ROOT / page).read_text())) - {"sure"}
    assert promised
    assert promised <= set(TARGETS)


def test_help_lists_every_target() -> None:
    shown = make("help").stdout
    assert all(f"make {target} " in shown for target in TARGETS)


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("up", ".venv/bin/warmfleet up"),
        ("down", ".venv/bin/warmfleet down"),
        (
            "test",
            ".venv/bin/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder "
            '-m "not failures and not cloud and not audit and not nodes and not vm and not vllm"',
        ),
        ("test-cloud", ".venv/bin/pytest -m cloud"),
        ("lint", ".venv/bin/mypy --strict"),
    ],
)
def test_a_target_ends_with_its_command(target: str, command: str) -> None:
    assert make("--dry-run", target).stdout.splitlines()[-1] == command


def test_up_can_be_told_what_instances_are() -> None:
    assert make("--dry-run", "up", "NODES=hosts").stdout.splitlines()[-1] == ".venv/bin/warmfleet up --nodes hosts"


def test_clean_refuses_while_the_local_cloud_runs_from_the_environment(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".warmfleet").mkdir()
    (tmp_path / ".warmfleet" / "cloud.json").touch()
    refused = make("clean", cwd=tmp_path)
    assert (refused.returncode, (tmp_path / ".venv").exists()) == (2, True)
    assert "make down" in refused.stderr
    (tmp_path / ".warmfleet" / "cloud.json").unlink()
    assert make("clean", cwd=tmp_path).returncode == 0
    assert not (tmp_path / ".venv").exists()
