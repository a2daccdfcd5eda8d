"""`warmfleet env`: a shell in which plain `pulumi` and AWS tools talk to the local cloud, or to a stack's backend."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.options import JsonFlag
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from localcloud.environment import ShellChanges
    from scripts.stack_files import StackFile

MARK = "(warmfleet "


def env(
    stack: Annotated[str, typer.Argument(metavar="[STACK]", help="local, or one with a Pulumi.STACK.yaml.")] = (
        LOCAL_STACK
    ),
    unset: Annotated[bool, typer.Option("--unset", help="Leave the stack's environment again.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print the exports for the local cloud, or for the backend of STACK; starts nothing.

    For STACK: the backend that `warmfleet backend init` made in the account of your credentials, unless
    PULUMI_BACKEND_URL is set already. A STACK whose file does not allow that account is refused.

    Example: eval "$(warmfleet env)" && pulumi preview --stack local
    """
    from scripts import terminal

    changes = _local(unset) if stack == LOCAL_STACK else _other(stack, unset)
    if as_json:
        terminal.print_json({"export": changes.export, "unset": list(changes.unset)})
    else:
        print(script(changes.export, changes.unset, entering=not unset, stack=stack), end="")


def _local(unset: bool) -> "ShellChanges":
    from localcloud import environment
    from scripts import stack_environment
    from scripts.root import find_root
    from scripts.stack_target import find_cli, running_cloud

    before = {name: value for name, value in os.environ.items() if name != stack_environment.SET_BY_US}
    if unset:
        changes = environment.leaving(before)
    else:
        root = find_root(Path.cwd())
        cloud = running_cloud(root)
        cli = find_cli(root, os.environ)
        changes = environment.entering(cloud, root, before, cli.parent)
    ours = {stack_environment.SET_BY_US} & {*os.environ}
    return environment.ShellChanges(changes.export, tuple(sorted({*changes.unset, *ours})))


def _other(stack: str, unset: bool) -> "ShellChanges":
    from scripts import stack_environment, stack_files
    from scripts.root import find_root

    if unset:
        return stack_environment.leaving(os.environ)
    file = stack_files.read(find_root(Path.cwd()), stack)
    return stack_environment.entering(os.environ, file, _backend_url(file))


def _backend_url(file: "StackFile") -> str | None:
    """The backend of the caller's account, which the stack has to allow; None where the user's own stays."""
    from scripts import stack_environment, stack_files
    from scripts.aws_session import Aws
    from scripts.progress import Steps
    from scripts.state_account import backend_of_caller, refuse_missing
    from scripts.state_backend import s3_endpoint

    aws = Aws(os.environ, file.region)
    with Steps(sys.stderr).step("account") as step:
        backend = backend_of_caller(aws, file.region)
        stack_files.refuse_other_account(file, backend.account)
        step.result = backend.account
        if stack_environment.own_backend(os.environ) is not None:
            return None
        step.say(f"looking for {backend.bucket}")
        refuse_missing(aws, backend)
    return backend.url(s3_endpoint(os.environ))


def script(export: dict[str, str], unset: tuple[str, ...], *, entering: bool, stack: str = LOCAL_STACK) -> str:
    """Lines for `eval` in sh, bash and zsh; every value is quoted."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(export.items())]
    lines += [f"unset {shlex.join(unset)}"] if unset else []
    # Entering twice, or another stack, marks once; a script, which has no prompt, gets none.
    without = f"PS1=${{PS1#{shlex.quote(MARK)}*') '}}"
    mark = shlex.quote(f"{MARK}{stack}) ")
    lines.append(f'if [ -n "${{PS1-}}" ]; then {without}{f"; PS1={mark}$PS1" if entering else ""}; fi')
    return "\n".join(lines) + "\n"
