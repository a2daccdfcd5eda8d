"""Finds the Pulumi CLI: on PATH if recent enough, else our own build in the user's cache, else built now with Go.

`python -m scripts.pulumi_cli` makes sure that there is one and prints its path.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from scripts import children
from scripts.pulumi_build import LEAST_GO, PulumiCliError, Report, build, cached_cli

__all__ = ["INSTALL_LINE", "LEAST_PULUMI", "PulumiCliError", "ensure", "find", "main", "usable"]

LEAST_PULUMI = (3, 230, 0)  # the oldest CLI that this SDK was tested with
INSTALL_LINE = "curl -fsSL https://get.pulumi.com | sh"
ANSWER_SECONDS = 30
LOG_SECONDS = 20

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Found:
    """A program on PATH; `version` is None when it gave no answer that could be read."""

    path: Path
    version: Version | None

    def __str__(self) -> str:
        return f"{self.path} ({'.'.join(map(str, self.version)) if self.version else 'gives no version'})"


def parse_version(text: str) -> Version | None:
    """The first version in the answer of `pulumi version` or `go version`; a missing patch level counts as 0."""
    found = re.search(r"(?:^|\bgo|\bv|\s)(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def usable(found: Found | None, least: Version) -> bool:
    """Whether the program is there and at least that new."""
    return found is not None and found.version is not None and found.version >= least


def missing(pulumi: Found | None, go: Found | None) -> str:
    """The one error of a machine that can neither run nor build the CLI."""
    needed, needed_go = ".".join(map(str, LEAST_PULUMI[:2])), ".".join(map(str, LEAST_GO))
    return (
        f"no usable Pulumi CLI. Found: pulumi {pulumi or 'not on PATH'}; go {go or 'not on PATH'}. "
        f"Needed: Pulumi CLI {needed} or newer, or Go {needed_go} or newer to build it here.\n"
        f"Install the Pulumi CLI:  {INSTALL_LINE}\n"
        "or Go:  https://go.dev/doc/install"
    )


def ensure(root: Path, *, report: Report, environ: Mapping[str, str] | None = None) -> Path:
    """The path of a Pulumi CLI that works with this program; builds it if need be.

    Reports progress in sentences, as often as twice a second during a build. Raises PulumiCliError.
    """
    environ = os.environ if environ is None else environ
    pulumi = find("pulumi", ["version"], {**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"})
    if pulumi and usable(pulumi, LEAST_PULUMI):
        return pulumi.path
    if pulumi:
        report(f"{pulumi} is not used: Pulumi CLI {'.'.join(map(str, LEAST_PULUMI[:2]))} or newer is needed")
    if os.access(cached_cli(environ), os.X_OK):
        return cached_cli(environ)
    go = find("go", ["version"], {**environ, "GOTOOLCHAIN": "local"})
    if go is None or not usable(go, LEAST_GO):
        raise PulumiCliError(missing(pulumi, go))
    return build(root, go.path, report=report, environ=environ)


def find(name: str, question: list[str], environ: Mapping[str, str]) -> Found | None:
    """The program `name` on PATH and what it answers to `question`; None when it is not there."""
    path = shutil.which(name, path=environ.get("PATH", os.defpath))
    if path is None:
        return None
    try:
        answer = children.run([path, *question], ANSWER_SECONDS, env=environ)
    except (OSError, subprocess.TimeoutExpired):
        return Found(Path(path), None)
    return Found(Path(path), parse_version(answer.stdout) if answer.returncode == 0 else None)


def printer(stream: TextIO, clock: Callable[[], float] = time.monotonic) -> Report:
    """Prints progress: on a terminal, one line that changes; in a log, each kind of progress, and every LOG_SECONDS."""
    on_terminal, kinds, last = stream.isatty(), set[str](), clock()

    def report(text: str) -> None:
        nonlocal last
        kind = re.sub(r"\d+ of.*|\d+$", "", text)
        if on_terminal:
            print(f"\r\033[K{text}", end="", file=stream, flush=True)
        elif kind not in kinds or clock() - last >= LOG_SECONDS:
            kinds.add(kind)
            last = clock()
            print(text, file=stream, flush=True)

    return report


def main() -> int:
    """Print the path of the CLI, progress on stderr. Exit codes: 0 ok, 1 none, 130 interrupted."""
    clear_line = "\r\033[K" if sys.stderr.isatty() else ""
    try:
        path = ensure(Path(__file__).resolve().parent.parent, report=printer(sys.stderr))
    except PulumiCliError as error:
        print(f"{clear_line}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was left behind, run it again to build it", file=sys.stderr)
        return 130
    print(clear_line, end="", file=sys.stderr, flush=True)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
