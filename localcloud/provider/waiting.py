"""Waiting for AWS, with a deadline, and no longer than the user wants."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from localcloud.provider.errors import CancelledError, ProviderError


@dataclass(frozen=True)
class Waiting:
    """How handlers wait. `cancelled` is set when the user interrupts the CLI."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic
    poll_seconds: float = 0.25

    def until(self, reached: Callable[[], bool], seconds: float, what: str) -> None:
        """Ask `reached` again and again.

        Raises:
            ProviderError: not reached within `seconds`; the text begins with `what`.
            CancelledError: the user interrupted.
        """
        deadline = self.clock() + seconds
        while not reached():
            if self.clock() >= deadline:
                raise ProviderError(f"{what}: not reached within {seconds:g} s; run the same command again")
            if self.cancelled.wait(self.poll_seconds):
                raise CancelledError(f"{what}: interrupted; run the same command again")
