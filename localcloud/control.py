"""Starts, stops and finds the local cloud of a checkout; for scripts and tests.

state = start(root, report=print)
…
stop(root, report=print)
"""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from localcloud.child import last_lines
from localcloud.cloud_state import CloudState, Problem, read_problems, read_state
from localcloud.environment import without_outside
from localcloud.errors import LocalCloudError
from localcloud.hosts.leftovers import clear as clear_hosts
from localcloud.parts import Modules
from localcloud.places import Places, make_private_folder
from localcloud.processes import MARK, alive, end, end_marked
from localcloud.starter import hear

__all__ = ["CloudState", "LocalCloudError", "Modules", "Problem", "problems", "running", "start", "stop"]

Report = Callable[[str], None]

STOP_SECONDS = 20.0
LOCK_SECONDS = 60.0


def running(root: Path) -> CloudState | None:
    """The cloud of the checkout at `root`; None when there is none, or when it has been killed."""
    state = read_state(Places.of(root).cloud_file)
    return state if state and alive(state.daemon) else None


def problems(root: Path) -> list[Problem]:
    """What the running cloud cannot do at present; nothing when it does not run."""
    return read_problems(Places.of(root).problems_file) if running(root) else []


def start(
    root: Path,
    *,
    report: Report,
    timeout_seconds: float = 60,
    modules: Modules | None = None,
    time_scale: float = 1.0,
    environ: Mapping[str, str] | None = None,
    hosts_base: Path | None = None,
) -> CloudState:
    """Start the cloud in the background and return once all of it listens; at once when it runs already.

    Interrupted (Ctrl-C, SIGTERM as an exception, kill), it leaves no process behind.

    Args:
        time_scale: by how much Auto Scaling's and EC2's own time runs faster.
        environ: what the cloud's processes inherit, less what leads to a real account (default: os.environ).
        hosts_base: the root file system that instances boot (localcloud.hosts.rootfs); without it they are processes.

    Raises:
        LocalCloudError: it cannot start; the text has the reason and what to do.
    """
    places = Places.of(root)
    try:
        with _alone(places, report):
            if state := running(root):
                return state
            _clear(places, report)
            arguments = ["--time-scale", f"{time_scale:g}"]
            arguments += ["--hosts-base", str(hosts_base)] if hosts_base else []
            return _launch(places, modules or Modules(), timeout_seconds, arguments, environ or os.environ)
    except OSError as error:
        raise LocalCloudError(
            f"the local cloud cannot start: {error}; it needs a little disk space and write access in {places.folder}"
        ) from error


def stop(root: Path, *, report: Report) -> None:
    """End the cloud and everything that it started, also what a killed one left; does nothing when nothing runs."""
    places = Places.of(root)
    if not places.folder.exists():
        ended = end_marked(places.folder) + clear_hosts(places.folder)  # someone removed a running cloud's folder
        report(f"ended {ended} processes of a local cloud" if ended else "no local cloud is running")
        return
    with _alone(places, report):
        state = running(root)
        if state:
            report(f"stopping the local cloud (pid {state.daemon_pid})")
            end(state.daemon, signal.SIGTERM, STOP_SECONDS)
        left = _clear(places, report)
        if not state and not left:
            report("no local cloud is running")


def _launch(
    places: Places, modules: Modules, timeout_seconds: float, more: Sequence[str], environ: Mapping[str, str]
) -> CloudState:
    for folder in (places.logs, places.instances, places.pulumi_backend, places.pulumi_home):
        make_private_folder(folder)
    places.folder.chmod(0o700)  # another part may have made it
    if places.daemon_log.exists():  # the reason why the last one ended stays readable
        places.daemon_log.replace(places.daemon_log.with_suffix(".previous.log"))
    ours, theirs = socket.socketpair()
    with ours:
        try:
            with theirs:
                _spawn(places, modules, more, environ, theirs.fileno())
            message = hear(ours, timeout_seconds)
        except BaseException as error:
            _wait_for_end(ours, places)
            if isinstance(error, TimeoutError):
                raise _not_started(places, f"it was not ready within {timeout_seconds:g} s") from error
            raise
    if message is None or "state" not in message:
        _clear(places, lambda _: None)
        raise _not_started(places, "it ended without a word" if message is None else str(message["error"]))
    return CloudState(**message["state"])


def _spawn(places: Places, modules: Modules, more: Sequence[str], environ: Mapping[str, str], starter: int) -> None:
    arguments = ["--root", str(places.root), "--starter-fd", str(starter), *more]
    arguments += ["--aws-module", modules.aws, "--provider-module", modules.provider]
    arguments += ["--service-module", modules.service]
    log = os.open(places.daemon_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        subprocess.run(
            [sys.executable, "-m", "localcloud.daemon", *arguments],
            cwd=places.root,
            env=without_outside(environ) | {MARK: str(places.folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[starter],
            start_new_session=True,  # neither Ctrl-C nor the terminal's end reaches it
            check=False,
        )
    finally:
        os.close(log)


def _wait_for_end(link: socket.socket, places: Places) -> None:
    """A daemon whose starter says goodbye ends by itself; one that does not is killed."""
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_WR)
        while hear(link, STOP_SECONDS):
            pass
    _clear(places, lambda _: None)


def _clear(places: Places, report: Report) -> int:
    """End every process of this checkout's cloud and remove what it said about itself; how many processes."""
    ended = end_marked(places.folder) + clear_hosts(places.folder)
    if ended:
        report(f"ended {ended} processes that an earlier local cloud had left")
    places.cloud_file.unlink(missing_ok=True)
    places.problems_file.unlink(missing_ok=True)
    return ended


def _not_started(places: Places, reason: str) -> LocalCloudError:
    return LocalCloudError(
        f"the local cloud did not start: {reason}\nthe end of {places.daemon_log}:\n{last_lines(places.daemon_log)}"
    )


@contextlib.contextmanager
def _alone(places: Places, report: Report) -> Iterator[None]:
    """Only one command at a time starts or stops the cloud of a checkout; another one waits for it."""
    deadline, told = time.monotonic() + LOCK_SECONDS, False
    while (lock := _lock(places.lock_file)) is None:
        if time.monotonic() > deadline:
            text = f"another command has been starting or stopping the local cloud for {LOCK_SECONDS:g} s"
            raise LocalCloudError(f"{text}; end it, then try again ({places.lock_file})")
        if not told:
            report("another command is starting or stopping the local cloud: waiting for it")
            told = True
        time.sleep(0.1)
    try:
        yield
    finally:
        os.close(lock)


def _lock(path: Path) -> int | None:
    """The locked file's descriptor; None when another process has it."""
    make_private_folder(path.parent)
    lock = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    if os.fstat(lock).st_nlink == 0:  # the folder was removed in between: a lock on it excludes nobody
        os.close(lock)
        return None
    return lock
