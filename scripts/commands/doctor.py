"""`warmfleet doctor`: what is missing on this machine, or for a stack on AWS, each with the command that repairs it."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from scripts.commands.preview import StackArgument
from scripts.options import JsonFlag
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from scripts.machine_checks import Check


def doctor(stack: StackArgument = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """Look for what `make up`, or `pulumi up` of STACK, needs and say how to get what is missing; changes nothing.

    Example: warmfleet doctor dev
    """
    from scripts import terminal
    from scripts.exit_codes import FAILED
    from scripts.machine_checks import all_checks
    from scripts.root import find_root

    root = find_root(Path.cwd())
    checks = all_checks(root, os.environ) if stack == LOCAL_STACK else _of_stack(root, stack)
    good = all(check.ok for check in checks)
    if as_json:
        terminal.print_json({"ok": good, "checks": [asdict(check) for check in checks]})
    for check in [] if as_json else checks:
        terminal.say(
            f"{'ok     ' if check.ok else 'MISSING'} {check.name}: {check.found}", style=None if check.ok else "red"
        )
        if check.remedy:
            terminal.say(f"        {check.remedy}")
    if not good:
        raise typer.Exit(FAILED)


def _of_stack(root: Path, stack: str) -> "list[Check]":
    from infra.settings import parse
    from scripts import stack_checks
    from scripts.aws_session import Aws
    from scripts.progress import Steps
    from scripts.settings_check import config_texts, refuse_mistakes
    from scripts.stack_files import read

    file = read(root, stack)
    refuse_mistakes(root, stack)
    settings = parse(config_texts(root, stack), stack)
    subject = stack_checks.Subject(root, file.name, settings, os.environ, Aws(os.environ, file.region))
    found = []
    with Steps(sys.stderr).step("doctor") as step:
        for check in stack_checks.all_checks(subject):
            step.say(check.name)
            found.append(check)
    return found
