"""`warmfleet doctor`: what is missing on this machine, each with the command that repairs it."""

import os
from dataclasses import asdict
from pathlib import Path

import typer

from scripts.options import JsonFlag


def doctor(as_json: JsonFlag = False) -> None:
    """Look for what `make up` needs and say how to get what is missing; changes nothing.

    Example: warmfleet doctor
    """
    from scripts import terminal
    from scripts.exit_codes import FAILED
    from scripts.machine_checks import all_checks
    from scripts.root import find_root

    checks = all_checks(find_root(Path.cwd()), os.environ)
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
