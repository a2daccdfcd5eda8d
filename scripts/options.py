"""Options that several commands have."""

from typing import Annotated

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]
StackOption = Annotated[
    str, typer.Option("--stack", metavar="NAME", help="The Pulumi stack. Others than local use your own AWS settings.")
]
