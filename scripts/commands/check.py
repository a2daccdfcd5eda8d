"""`warmfleet check`: what AWS would refuse of a stack, without Pulumi and without AWS."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.options import JsonFlag

if TYPE_CHECKING:
    from scripts.policy_check import Checked


def check(
    file: Annotated[Path, typer.Argument(help="A list of resources, or what `pulumi preview --json` printed.")],
    as_json: JsonFlag = False,
) -> None:
    """Say what AWS would refuse, by the rules of infra/policies. Asks nobody, changes nothing.

    Of a stack that stands, let the preview show what stays, too: pulumi preview --json --show-sames

    Exit codes: 0 nothing mandatory, 1 a mandatory rule is broken, 64 the file cannot be read.

    Example: warmfleet check preview.json
    """
    from localcloud.provider import sdk_classes
    from scripts import terminal
    from scripts.exit_codes import FAILED
    from scripts.policy_check import check_file

    sdk_classes.import_sparingly()  # all of a package would take seconds
    checked = check_file(file)
    if as_json:
        listed = [asdict(each) for each in checked.findings]
        document = {"file": str(file), "resources": checked.resources, "mandatory": checked.mandatory}
        terminal.print_json({**document, "violations": listed})
    else:
        _show(checked)
    if checked.mandatory:
        raise typer.Exit(FAILED)


def _show(checked: "Checked") -> None:
    from scripts import terminal

    for each in checked.findings:
        mark, style = ("REFUSED", "red") if each.mandatory else ("advice ", "yellow")
        terminal.say(f"{mark} {each.type} {each.resource}: {each.message}", style=style)
        terminal.say(f"        {each.rule}, {each.source}")
    said = f"{checked.mandatory} refused, {len(checked.findings) - checked.mandatory} advised"
    terminal.say(f"{checked.resources} resources: {said if checked.findings else 'nothing to say'}")
