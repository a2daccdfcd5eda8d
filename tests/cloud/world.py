"""A copy of this repository, a local AWS and the provider, in which the real CLI works on the committed stack files."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localcloud.aws.in_process import LocalAws
from localcloud.cloud_state import CloudState
from localcloud.environment import pulumi_environment
from scripts import pulumi_cli
from tests.real_cli import provider
from tests.scratch_checkout import ROOT, scratch_checkout

SECONDS = 240


@dataclass(frozen=True)
class StackFile:
    """One stack file in a copy of the repository, and the CLI that works on it."""

    name: str
    root: Path
    environ: dict[str, str]
    cli: Path
    aws: LocalAws

    @property
    def path(self) -> Path:
        return self.root / f"Pulumi.{self.name}.yaml"

    def run(self, *arguments: str, fails: bool = False) -> str:
        command = [str(self.cli), *arguments, "--stack", self.name, "--non-interactive"]
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def up(self, *arguments: str) -> str:
        return self.run("up", "--yes", "--skip-preview", *arguments)

    def warmfleet(self, *arguments: str, code: int = 0, stream: str = "stdout") -> str:
        """What a command of ours prints, or says on stderr."""
        command = [sys.executable, "-m", "scripts.cli", *arguments]
        environ = {**self.environ, "PYTHONPATH": str(self.root)}
        done = subprocess.run(
            command, cwd=self.root, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if stream == "stdout" else done.stderr

    def change(self, **settings: Any) -> None:
        """Write settings of the stack; `model` holds members of its first model."""
        document = yaml.safe_load(self.path.read_text())
        config = document["config"]
        config["warmfleet:models"][0] |= settings.pop("model", {})
        config |= {f"warmfleet:{key}": value for key, value in settings.items()}
        self.path.write_text(yaml.safe_dump(document))

    def resources(self) -> list[dict[str, Any]]:
        """What the state has."""
        found: list[dict[str, Any]] = json.loads(self.run("stack", "export"))["deployment"].get("resources", [])
        return found


@contextlib.contextmanager
def stack_file(name: str, root: Path, aws: LocalAws) -> Iterator[StackFile]:
    """The stack `name`, made but still empty."""
    checkout = scratch_checkout(root, os.environ)
    backend = root / ".warmfleet" / "pulumi"
    backend.mkdir(parents=True)
    cli = pulumi_cli.ensure(ROOT, report=print)
    with provider(aws.url, backend) as port:
        state = CloudState("run", os.getpid(), 0, aws.url, port, "127.0", "us-east-1")
        environ = pulumi_environment(state, root, checkout.environ, cli.parent)
        made = StackFile(name, root, environ, cli, aws)
        made.run("stack", "init")
        yield made
