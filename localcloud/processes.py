"""Processes that never outlive the daemon, and signals that never hit a reused process id.

Linux only: /proc, prctl(2), pidfd_open(2).
"""

import ctypes
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Every process of a local cloud has this in its environment: the absolute path of its `.warmfleet` folder. It finds
# those that a killed daemon left behind; no list of process ids could be kept as surely.
MARK = "WARMFLEET_LOCAL_CLOUD"

_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True)
class ProcessIdentity:
    """One process for good: ids are reused, an id together with its start time (seconds since boot) is not."""

    pid: int
    started: float


def identity(pid: int) -> ProcessIdentity | None:
    """Who has `pid` now; None when nobody has, or only a zombie or what is about to be one (without memory)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before may contain spaces and brackets: proc_pid_stat(5)
    if fields[0] in "ZX" or fields[20] == "0":
        return None
    return ProcessIdentity(pid, int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def alive(process: ProcessIdentity) -> bool:
    return identity(process.pid) == process


def end(process: ProcessIdentity, number: signal.Signals, wait_seconds: float) -> bool:
    """Signal exactly this process and wait for its end; whether it has ended."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not alive(process):  # the id may have got a new owner before the handle was opened, not after
            return True
        signal.pidfd_send_signal(handle, number)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(wait_seconds * 1000))
    except ProcessLookupError:
        return True
    finally:
        os.close(handle)


def marked(folder: Path) -> Iterator[ProcessIdentity]:
    """The processes of the local cloud whose files are in `folder`, but for the caller itself."""
    mark = f"{MARK}={folder}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            names = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            continue
        if mark in names and (found := identity(int(entry.name))):
            yield found


def end_marked(folder: Path, wait_seconds: float = 5.0) -> int:
    """Kill what is left of the local cloud in `folder`; how many processes that were."""
    ended, deadline = set[ProcessIdentity](), time.monotonic() + wait_seconds
    while (left := list(marked(folder))) and time.monotonic() < deadline:
        for process in left:  # again and again: one of them may just have started another
            end(process, signal.SIGKILL, max(0.0, deadline - time.monotonic()))
            ended.add(process)
    return len(ended)


def tied_to(parent: int, number: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """For `preexec_fn`: the child gets signal `number` when `parent` ends, also by SIGKILL.

    The kernel watches the thread that forked: children must be started from the parent's main thread.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def tie() -> None:  # runs between fork and exec: nothing but what is loaded already
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # the parent ended before the line above
            os._exit(1)

    return tie
