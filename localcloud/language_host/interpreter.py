"""Which Python runs a program or a policy pack."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Interpreter:
    """An interpreter and the environment that it is started with."""

    executable: str
    environment: dict[str, str]


def interpreter(info: Any, environ: Mapping[str, str]) -> Interpreter:
    """The one that `runtime.options.virtualenv` of Pulumi.yaml or PulumiPolicy.yaml names, else this one.

    Raises:
        FileNotFoundError: there is none in that virtual environment.
    """
    options = info.options.fields
    named = options["virtualenv"].string_value if "virtualenv" in options else ""
    if not named:
        return Interpreter(sys.executable, dict(environ))
    folder = Path(os.path.normpath(Path(info.root_directory) / named))
    executable = folder / "bin" / "python"
    if not os.access(executable, os.X_OK):
        raise FileNotFoundError(f"no Python at {executable} (runtime option virtualenv); `make .venv` makes it")
    path = os.pathsep.join([str(folder / "bin"), environ.get("PATH", os.defpath)])
    return Interpreter(str(executable), {**environ, "VIRTUAL_ENV": str(folder), "PATH": path})
