"""`warmfleet preview`: what an `up` would change, what AWS would refuse of it, and what it would lose."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.options import JsonFlag
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from scripts.stack_preview import Preview

StackArgument = Annotated[str, typer.Argument(metavar="[STACK]", help="local, or one with a Pulumi.STACK.yaml.")]


def preview(stack: StackArgument = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """Show what `pulumi up` would do, judged by every rule of infra/policies; changes nothing.

    Exit codes: 0 fine, 1 AWS or a rule would refuse it, 2 it would lose data, 64 wrong usage.

    Example: warmfleet preview dev
    """
    from scripts import terminal
    from scripts.exit_codes import FAILED, FINDING
    from scripts.progress import Steps
    from scripts.root import find_root
    from scripts.stack_preview import look
    from scripts.stack_target import pulumi_of

    root = find_root(Path.cwd())
    with Steps(sys.stderr).step("preview") as step:
        seen = look(pulumi_of(root, stack, os.environ), stack)
        step.result = seen.in_words()
    if as_json:
        terminal.print_json(as_document(stack, seen))
    else:
        show(seen)
    if seen.refused:
        raise typer.Exit(FAILED)
    if seen.losses:
        raise typer.Exit(FINDING)


def as_document(stack: str, seen: "Preview") -> dict[str, object]:
    """For programs."""
    return {
        "stack": stack,
        "changes": [{**asdict(each), "loses": each.loses or None} for each in seen.changes],
        "violations": [asdict(each) for each in seen.findings],
    }


def show(seen: "Preview") -> None:
    """For people: what loses data last, where it is seen."""
    from scripts import terminal

    for change in seen.changes:
        terminal.say(f"  {change}", style="red" if change.loses else None)
    for each in seen.findings:
        mark = "REFUSED" if each.mandatory else "advice "
        terminal.say(f"{mark} {each.resource}: {each.message}", style="red" if each.mandatory else "yellow")
        terminal.say(f"        {each.rule}, {each.source}")
    for change in seen.losses:
        terminal.say(f"LOSES DATA: {change}: {change.loses} would be gone", style="red")
    terminal.say(seen.in_words())
