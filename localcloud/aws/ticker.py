"""Lets time pass in the cloud: launches, timeouts and notices happen between requests, as on AWS."""

import threading
from collections.abc import Callable

import structlog

TICK_SECONDS = 0.1


class Ticker:
    """Calls `tick` ten times a second (real time) in a thread, until `stop`. A tick that raises is logged, once."""

    def __init__(self, tick: Callable[[], None], seconds: float = TICK_SECONDS) -> None:
        self._tick = tick
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
        self._last_error = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self._tick()
                self._last_error = ""
            except Exception as error:  # a defect in one part must not stop time for all others
                if repr(error) != self._last_error:
                    self._last_error = repr(error)
                    structlog.get_logger().exception("a tick failed and is tried again")
