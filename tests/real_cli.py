"""A stack that the real Pulumi CLI works on, with the stand-in provider as a process."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from localcloud.aws.in_process import LocalAws

ROOT = Path(__file__).parents[1]
SECONDS = 60
MARK = "WARMFLEET_TEST_RUN"  # in the environment of everything that a stack's CLI starts


@dataclass(frozen=True)
class CliStack:
    """One stack of a small project, and the CLI that works on it; `environ` has a MARK of its own."""

    folder: Path
    environ: Mapping[str, str]
    cli: Path
    aws: LocalAws

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(self.cli), *arguments, "--non-interactive"],
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, fails: bool = False) -> str:
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=SECONDS)
        assert (process.returncode != 0) == fails, said
        return said

    def up(self, *arguments: str, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def state(self) -> Any:
        return json.loads(self.run("stack", "export"))["deployment"]

    def resources(self) -> dict[str, Any]:
        """What the state has, by type and name."""
        found = self.state().get("resources", [])
        return {"::".join(each["urn"].split("::")[2:]).split("$")[-1]: each for each in found}

    def processes(self) -> list[psutil.Process]:
        """Everything that was started by this CLI and still runs."""
        return [each for each in psutil.process_iter() if _marked(each, self.environ[MARK])]


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def eventually(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {SECONDS} s"
        time.sleep(0.02)


@contextlib.contextmanager
def provider(url: str, backend: Path) -> Iterator[int]:
    """The stand-in provider as a process; its port."""
    command = [sys.executable, "-m", "localcloud.provider", "--endpoint", url, "--backend-dir", str(backend)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["port"]
        process.terminate()
    assert process.returncode == 0
