"""A copy of this repository in a folder of its own: journeys and benchmarks never touch the developer's local cloud."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.pulumi_build import cache_home

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Checkout:
    """The copy at `root`, and the environment in which its commands run."""

    root: Path
    environ: Mapping[str, str]

    def run(
        self, *command: str, seconds: float = 300, check: bool = True, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy; with `check`, fail with all that it printed unless it ends with 0."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=dict(self.environ if environ is None else environ),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def warmfleet(self, *arguments: str, seconds: float = 300, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(".venv/bin/warmfleet", *arguments, seconds=seconds, check=check)

    def files(self) -> set[str]:
        """Every file but those of Python's bytecode cache and of the virtual environment."""
        found = set()
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in ("__pycache__", ".venv")]
            found |= {str((Path(folder) / name).relative_to(self.root)) for name in names}
        return found


def scratch_checkout(folder: Path, base: Mapping[str, str]) -> Checkout:
    """Copy the repository's files, as they are now, to `folder`, with their .venv and service bundle."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)  # with its time: make must not find .venv out of date
    (folder / ".venv").symlink_to(ROOT / ".venv")
    if (ROOT / "build" / "service").is_dir():
        shutil.copytree(ROOT / "build" / "service", folder / "build" / "service")
    path = os.pathsep.join([str(folder), *filter(None, [base.get("PYTHONPATH")])])
    # The installed package leads to the original; PYTHONPATH comes before it.
    return Checkout(folder, {**base, "PYTHONPATH": path, "XDG_CACHE_HOME": str(cache_home(base).parent)})


def eventually(condition: Callable[[], Any], what: str, seconds: float) -> Any:
    """The first truthy value of `condition`; fails after `seconds`, saying `what` did not come true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come true within {seconds} s")
