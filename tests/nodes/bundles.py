"""Service bundles of another version than the one that a checkout's hosts have."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.scratch_checkout import Checkout

PROGRAM = "inference_service/node/__main__.py"


@dataclass(frozen=True)
class Bundle:
    version: str
    folder: Path


def changed_bundle(checkout: Checkout, folder: Path, line: str) -> Bundle:
    """What `warmfleet service build` makes of the checkout with one more line at the start of the node's program."""
    program, built = checkout.root / PROGRAM, checkout.root / "build" / "service"
    right, kept = program.read_text(), folder / "kept"
    shutil.copytree(built, kept)
    try:
        program.write_text(f"{line}\n{right}")
        version = json.loads(checkout.warmfleet("service", "build", "--json").stdout)["version"]
        built.rename(folder / version)
    finally:
        program.write_text(right)
        shutil.rmtree(built, ignore_errors=True)
        kept.rename(built)
    return Bundle(version, folder / version)
