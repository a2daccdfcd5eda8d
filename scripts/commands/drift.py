"""`warmfleet drift`: what was changed behind Pulumi's back."""

import os
import sys
from dataclasses import asdict
from pathlib import Path

import typer

from scripts.commands.preview import StackArgument
from scripts.options import JsonFlag
from scripts.root import LOCAL_STACK


def drift(stack: StackArgument = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """Compare what exists with Pulumi's state; changes neither.

    Exit codes: 0 no drift, 1 it could not be looked at, 2 drift, 64 wrong usage.

    Example: warmfleet drift prod
    """
    from scripts import terminal
    from scripts.exit_codes import FINDING
    from scripts.progress import Steps
    from scripts.root import find_root
    from scripts.stack_changes import changes, in_words
    from scripts.stack_target import pulumi_of

    with Steps(sys.stderr).step("drift") as step:
        found = changes(pulumi_of(find_root(Path.cwd()), stack, os.environ).look_for_drift(stack))
        step.result = in_words(found)
    if as_json:
        terminal.print_json({"stack": stack, "drift": [asdict(each) for each in found]})
    for each in [] if as_json else found:
        gone = "was deleted" if each.op == "delete" else f"was changed: {', '.join(each.why)}"
        terminal.say(f"{each.type} {each.name} {gone}", style="yellow")
    if not as_json:
        remedy = "`pulumi up --refresh` brings it back; `pulumi refresh` takes it over" if found else "no drift"
        terminal.say(remedy)
    if found:
        raise typer.Exit(FINDING)
