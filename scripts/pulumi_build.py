"""Builds the Pulumi CLI with Go from `tools/pulumi` into the user's cache: once, atomically, one build at a time."""

import contextlib
import fcntl
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from scripts import children

VERSION = "3.230.0"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
LINKER_FLAGS = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
LEAST_GO = (1, 25, 8)
BINARY_MIB = 200  # the binary has 85 MiB; Go's own caches may lie elsewhere and report for themselves
REPORT_SECONDS = 0.5
STEPS = re.compile(r"go: downloading (?P<module>\S+)")

Report = Callable[[str], None]


class PulumiCliError(Exception):
    """No usable Pulumi CLI; the text says what was found, what is needed and the remedy."""


@dataclass
class Progress:
    """Counts what Go prints while it works; reports at most every REPORT_SECONDS."""

    report: Report
    clock: Callable[[], float] = time.monotonic
    packages: int = 0
    modules: int = 0
    compiled: int = 0
    _last: float = float("-inf")

    def line(self, text: str) -> None:
        if STEPS.match(text):
            self.modules += 1
            self._say(f"fetching its Go modules: {self.modules}")
        elif text == PACKAGE:
            self._say("compiled; linking", now=True)
        elif re.fullmatch(r"[\w.~/-]+", text):
            self.compiled += 1
            self._say(f"compiling it with Go: {self.compiled} of {self.packages} packages")

    def _say(self, text: str, *, now: bool = False) -> None:
        if now or self.clock() - self._last >= REPORT_SECONDS:
            self._last = self.clock()
            self.report(f"Pulumi CLI {VERSION}: {text}")


def cache_home(environ: Mapping[str, str]) -> Path:
    """Warmfleet's folder in the user's cache. A relative XDG_CACHE_HOME is ignored, as its specification asks."""
    given = Path(environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path(environ.get("HOME", "~")).expanduser() / ".cache") / "warmfleet"


def cached_cli(environ: Mapping[str, str]) -> Path:
    """Where the built CLI lies, in a folder of its own, whether or not it has been built."""
    return cache_home(environ) / "pulumi" / f"v{VERSION}" / "pulumi"


def build(root: Path, go: Path, *, report: Report, environ: Mapping[str, str]) -> Path:
    """Compile the CLI; returns at once if another process has built it meanwhile.

    An interrupt leaves nothing but Go's own caches. Raises PulumiCliError.
    """
    target = cached_cli(environ)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free_mib = shutil.disk_usage(target.parent).free // 2**20
    except OSError as error:
        raise PulumiCliError(f"{target.parent} cannot be written ({error.strerror}); set XDG_CACHE_HOME") from error
    if free_mib < BINARY_MIB:
        raise PulumiCliError(no_space(f"{free_mib} MiB free in {target.parent}, {BINARY_MIB} MiB needed"))
    with _lock(target.parent / ".lock", report):
        if target.is_file():
            return target
        for leftover in target.parent.glob(".build-*"):  # of a killed build: we hold the lock
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=target.parent) as folder:
            built = Path(folder, "pulumi")
            _compile(root / "tools" / "pulumi", go, built, report, _go_environment(environ))
            built.rename(target)
    return target


def no_space(found: str) -> str:
    remedy = "free some space, or set XDG_CACHE_HOME, GOCACHE, GOMODCACHE and TMPDIR"
    return f"no disk space for the Pulumi CLI: {found}; {remedy}"


def _go_environment(environ: Mapping[str, str]) -> dict[str, str]:
    # Without cgo the build needs no C compiler; without GOWORK no workspace above this folder has a say.
    return {**environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}


def _compile(module: Path, go: Path, built: Path, report: Report, environ: Mapping[str, str]) -> None:
    progress = Progress(report)
    report(f"Pulumi CLI {VERSION}: building it once with Go, two to five minutes; later runs find it in the cache")
    listed = _go([str(go), "list", "-mod=readonly", "-deps", PACKAGE], module, environ, progress, stdout=True)
    progress.packages = len(listed.splitlines())
    flags = ["-v", "-mod=readonly", "-trimpath", "-ldflags", LINKER_FLAGS]
    _go([str(go), "build", *flags, "-o", str(built), PACKAGE], module, environ, progress)
    report(f"Pulumi CLI {VERSION}: built")


def _go(
    command: list[str], module: Path, environ: Mapping[str, str], progress: Progress, *, stdout: bool = False
) -> str:
    """What Go prints. It starts several compilers, which end with it.

    Raises:
        PulumiCliError: it failed.
    """
    with tempfile.TemporaryFile("w+") as output:
        into = output if stdout else subprocess.DEVNULL
        with children.started(command, cwd=module, env=environ, stdout=into, stderr=subprocess.PIPE) as child:
            said = _follow(child.stderr, progress)
            status = child.wait()
        if status != 0:
            raise PulumiCliError(build_failure(said, status))
        output.seek(0)
        return output.read()


def _follow(stream: IO[str] | None, progress: Progress) -> list[str]:
    assert stream is not None
    said: list[str] = []
    with stream:
        for line in stream:
            said = [*said[-39:], line.rstrip()]
            progress.line(line.strip())
    return said


def build_failure(said: list[str], status: int) -> str:
    """What a failed build means to the reader, from the last lines that Go printed."""
    text = "\n".join(said)
    if "no space left on device" in text or "disk quota exceeded" in text:
        line = next(line for line in said if "no space left" in line or "disk quota" in line)
        return no_space(line)
    if re.search(r"dial tcp|no such host|i/o timeout|proxyconnect|connection refused|TLS handshake|x509:", text):
        return (
            f"Go could not fetch the Pulumi CLI's modules ({said[-1]}); check the network or GOPROXY, then run it again"
        )
    tail = "\n  ".join(line for line in said[-12:] if line)
    return f"go build of the Pulumi CLI ended with status {status}:\n  {tail}"


@contextlib.contextmanager
def _lock(path: Path, report: Report) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"Pulumi CLI {VERSION}: another process is building it; waiting for that build")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
