"""A machine that cannot make .venv is told in one message what it lacks and how to get it. Pythons here are scripts."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "bootstrap.sh"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the script alone, and bin/ as the whole PATH."""
    (tmp_path / "tools").mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools")
    (tmp_path / "bin").mkdir()
    for name in ("sh", "dirname", "rm", "touch", "mkdir"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def add_python(clone: Path, name: str, version: str, *, ensurepip: bool) -> None:
    """A `python` that answers the script's three questions, and to `-m venv` writes down which one it is."""
    new_enough = tuple(map(int, version.split("."))) >= (3, 11)
    program = clone / "bin" / name
    program.write_text(
        f"""#!/bin/sh
case "$*" in
    *version_info\\[*) echo {version} ;;
    *"(3, 11)"*) exit {0 if new_enough else 1} ;;
    *ensurepip*) exit {0 if ensurepip else 1} ;;
    "-m venv .venv") echo {name} >made-with; exit 3 ;;
esac
"""
    )
    program.chmod(0o755)


def bootstrap(clone: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(clone / "tools" / "bootstrap.sh")],
        env={"PATH": str(clone / "bin")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_no_python_is_named_with_the_package_to_install(clone: Path) -> None:
    ended = bootstrap(clone)
    assert ended.returncode == 1
    assert "Python 3.11 or newer is needed; found: none" in ended.stderr
    assert "apt-get install python3 python3-venv" in ended.stderr


def test_an_old_python_is_named_with_its_version(clone: Path) -> None:
    add_python(clone, "python3", "3.10", ensurepip=True)
    ended = bootstrap(clone)
    assert ended.returncode == 1
    assert "found: python3 (3.10)" in ended.stderr


def test_a_missing_ensurepip_names_debians_package_for_that_version(clone: Path) -> None:
    add_python(clone, "python3", "3.12", ensurepip=False)
    ended = bootstrap(clone)
    assert ended.returncode == 1
    assert "apt-get install python3.12-venv" in ended.stderr


def test_a_newer_python_beside_an_old_one_is_used(clone: Path) -> None:
    add_python(clone, "python3", "3.10", ensurepip=True)
    add_python(clone, "python3.12", "3.12", ensurepip=True)
    bootstrap(clone)
    assert (clone / "made-with").read_text() == "python3.12\n"


def test_a_complete_python_is_preferred_to_one_without_ensurepip(clone: Path) -> None:
    add_python(clone, "python3", "3.12", ensurepip=False)
    add_python(clone, "python3.11", "3.11", ensurepip=True)
    bootstrap(clone)
    assert (clone / "made-with").read_text() == "python3.11\n"
