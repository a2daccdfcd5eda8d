"""Child processes of a command: however it ends, and whenever a signal comes, none of them is left running."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from scripts import interrupts

Child = subprocess.Popen[str]


def kill(child: Child) -> None:
    """SIGKILL to a child and to what it has started in its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@contextlib.contextmanager
def started(command: Sequence[str], end: Callable[[Child], object] = kill, **options: Any) -> Iterator[Child]:
    """Run `command` beside the block, in a process group of its own; `end` gets the child however the block ends.

    A terminal's Ctrl-C reaches it once, through us. `options` are those of `subprocess.Popen`, whose constructor a
    signal leaves with the child running and nobody knowing of it: here the signal waits until the child is known.

    Raises:
        OSError: the program cannot be started.
    """
    with contextlib.ExitStack() as stack:
        with interrupts.put_off():
            child: Child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, text=True, errors="replace", start_new_session=True, **options
            )
            stack.enter_context(child)
            stack.callback(end, child)
        yield child


def run(command: Sequence[str], seconds: float | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """What `command` answers, and its status.

    Raises:
        OSError: the program cannot be started.
        subprocess.TimeoutExpired: it has not ended within `seconds`; it is killed.
    """
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as child:
        answer, errors = child.communicate(timeout=seconds)
    return subprocess.CompletedProcess(command, child.returncode, answer, errors)
