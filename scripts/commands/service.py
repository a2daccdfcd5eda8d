"""`warmfleet service build`: the archive that nodes and gateways install."""

from pathlib import Path

import typer

from scripts.options import JsonFlag

app = typer.Typer(help="The service bundle that nodes and gateways install.", no_args_is_help=True)


@app.command()
def build(as_json: JsonFlag = False) -> None:
    """Build the service bundle, and the planner's package, into build/service, where the Pulumi program takes them
    from.

    Example: warmfleet service build
    """
    import sys

    from scripts import packages, terminal
    from scripts.exit_codes import CommandError
    from scripts.progress import Steps
    from scripts.root import bundle_folder, find_root
    from scripts.service_bundle import BundleError

    root = find_root(Path.cwd())
    with Steps(sys.stderr).step("service bundle") as step:
        try:
            version = packages.build(root, report=step.say)
        except BundleError as error:
            raise CommandError(str(error)) from error
    if as_json:
        terminal.print_json({"version": version, "folder": str(bundle_folder(root))})
    else:
        terminal.say(version)
