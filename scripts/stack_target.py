"""Which stack a command works on, and the environment in which it reaches it."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud import control, environment
from scripts.aws_session import Aws
from scripts.exit_codes import CommandError
from scripts.pulumi_cli import PulumiCliError, ensure
from scripts.pulumi_runs import Pulumi, PulumiError
from scripts.root import LOCAL_STACK, find_root
from scripts.stack_files import read
from scripts.stack_outputs import StackOutputs, parse

NOT_RUNNING = "the local cloud is not running; start it with `make up`"


@dataclass(frozen=True)
class StackTarget:
    """A stack that exists, with its outputs. `cloud` is the local cloud's state, None for a stack on AWS."""

    root: Path
    name: str
    pulumi: Pulumi
    outputs: StackOutputs
    aws: Aws
    cloud: control.CloudState | None


def pulumi_for(root: Path, cloud: control.CloudState, environ: Mapping[str, str], cli: Path) -> Pulumi:
    """The CLI for the local cloud of the checkout, and for no other."""
    return Pulumi(cli, root, environment.pulumi_environment(cloud, root, environ, cli.parent))


def running_cloud(root: Path) -> control.CloudState:
    """The local cloud of this checkout.

    Raises:
        CommandError: it does not run.
    """
    if state := control.running(root):
        return state
    raise CommandError(NOT_RUNNING)


def find_cli(root: Path, environ: Mapping[str, str], report: Callable[[str], None] | None = None) -> Path:
    """The Pulumi CLI; built now if there is none. Raises CommandError."""
    try:
        return ensure(root, report=report or (lambda text: print(text, file=sys.stderr)), environ=environ)
    except PulumiCliError as error:
        raise CommandError(str(error)) from error


def pulumi_of(root: Path, stack: str, environ: Mapping[str, str]) -> Pulumi:
    """The CLI for a stack, which need not exist yet: for the local cloud, or with the user's own environment.

    Raises:
        CommandError: no such stack file, no local cloud.
    """
    read(root, stack)
    cli = find_cli(root, environ)
    return pulumi_for(root, running_cloud(root), environ, cli) if stack == LOCAL_STACK else Pulumi(cli, root, environ)


def open_stack(name: str, environ: Mapping[str, str] | None = None, start: Path | None = None) -> StackTarget:
    """Read what the stack exports. A stack that is not local is reached with the user's own environment, unchanged.

    Raises:
        CommandError: no checkout here, no local cloud, no such stack, or one that was not built to its end.
    """
    environ = os.environ if environ is None else environ
    root = find_root(start or Path.cwd())
    cloud = running_cloud(root) if name == LOCAL_STACK else None
    cli = find_cli(root, environ)
    pulumi = pulumi_for(root, cloud, environ, cli) if cloud else Pulumi(cli, root, environ)
    outputs = parse(_outputs(pulumi, name), name)
    return StackTarget(root, name, pulumi, outputs, Aws(pulumi.environ, outputs.region), cloud)


def _outputs(pulumi: Pulumi, name: str) -> dict[str, Any]:
    try:
        return pulumi.outputs(name)
    except PulumiError as error:
        if name == LOCAL_STACK:
            raise
        remedy = "sign in to its backend with `pulumi login`, or name another one of `pulumi stack ls` by --stack"
        raise CommandError(f"the outputs of stack {name} cannot be read: {error}\n{remedy}") from error
