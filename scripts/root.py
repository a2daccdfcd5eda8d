"""Finds the checkout that a command works on."""

from pathlib import Path

from scripts.exit_codes import USAGE, CommandError

PROJECT_FILE = "Pulumi.yaml"
LOCAL_STACK = "local"


def find_root(start: Path) -> Path:
    """The nearest folder from `start` upwards that holds Pulumi.yaml.

    Raises:
        CommandError: there is none.
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise CommandError(
        f"no {PROJECT_FILE} in {here} or a folder above it: change into a checkout of warmfleet, then try again", USAGE
    )


def bundle_folder(root: Path) -> Path:
    """Where the service bundle is built; the Pulumi program uploads it from there."""
    return root / "build" / "service"
