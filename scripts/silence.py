"""Ends a child process that has not said anything for too long: a command that hangs is worse than one that fails."""

import contextlib
import signal
import subprocess
import threading
from types import TracebackType
from typing import Self

from scripts import children


class Silence:
    """Watches `child` (the leader of its own process group) while the block runs; call `heard` for each sign of life.

    After `seconds` without one it gets SIGINT, and `patience` seconds later its group SIGKILL.
    """

    def __init__(self, child: subprocess.Popen[str], seconds: float, patience: float) -> None:
        self._child, self._seconds, self._patience = child, seconds, patience
        self._sign = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.too_long = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over = True
        self._sign.set()
        self._thread.join()

    def heard(self) -> None:
        """It has just said something."""
        self._sign.set()

    def _watch(self) -> None:
        while self._sign.wait(self._seconds):
            if self._over:
                return
            self._sign.clear()
        self.too_long = True
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(self._patience)
            except subprocess.TimeoutExpired:
                children.kill(self._child)
