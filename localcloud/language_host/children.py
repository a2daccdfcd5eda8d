"""The processes of programs and policy packs: none outlives the language host."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


class Children:
    """Every process that this host has started and that has not ended."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self.stopping = False  # the user has interrupted the CLI, which has said so

    @contextmanager
    def start(
        self, command: Sequence[str], folder: str, environment: Mapping[str, str], context: Any, **streams: int
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command; it is ended when the engine gives up the call (`context`), and at the end of the block."""
        process = subprocess.Popen(command, cwd=folder or None, env=environment, **streams)  # type: ignore[call-overload]
        with self._lock:
            self._running.add(process)
        context.add_callback(lambda: _signal(process, signal.SIGTERM))
        try:
            yield process
        finally:
            _signal(process, signal.SIGKILL)
            process.wait()
            with self._lock:
                self._running.discard(process)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal all of them: nobody is interested in how they end."""
        self.stopping = True
        with self._lock:
            running = list(self._running)
        for process in running:
            _signal(process, number)

    def end_everything(self) -> None:
        """Kill all of them, what they have started, and this process. The CLI is gone: nobody wants an answer."""
        if os.getpgrp() == os.getpid():  # the CLI gives its language host a process group of its own
            os.killpg(0, signal.SIGKILL)
        self.stop(signal.SIGKILL)
        os._exit(0)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
