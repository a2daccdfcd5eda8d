"""`warmfleet env`: a shell in which plain `pulumi` and AWS tools talk to the local cloud."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from scripts.options import JsonFlag

MARK = "(warmfleet local) "


def env(
    unset: Annotated[bool, typer.Option("--unset", help="Leave the local cloud's environment again.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print the exports for the local cloud; starts nothing.

    Example: eval "$(warmfleet env)" && pulumi preview --stack local
    """
    from localcloud import environment
    from scripts import terminal
    from scripts.root import find_root
    from scripts.stack_target import find_cli, running_cloud

    if unset:
        changes = environment.leaving(os.environ)
    else:
        root = find_root(Path.cwd())
        cloud = running_cloud(root)
        cli = find_cli(root, os.environ)
        changes = environment.entering(cloud, root, os.environ, cli.parent)
    if as_json:
        terminal.print_json({"export": changes.export, "unset": list(changes.unset)})
    else:
        print(script(changes.export, changes.unset, entering=not unset), end="")


def script(export: dict[str, str], unset: tuple[str, ...], *, entering: bool) -> str:
    """Lines for `eval` in sh, bash and zsh; every value is quoted."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(export.items())]
    lines += [f"unset {shlex.join(unset)}"] if unset else []
    mark = shlex.quote(MARK)
    without = f"PS1=${{PS1#{mark}}}"  # entering twice marks once; a script, which has no prompt, gets none
    lines.append(f'if [ -n "${{PS1-}}" ]; then {without}{f"; PS1={mark}$PS1" if entering else ""}; fi')
    return "\n".join(lines) + "\n"
