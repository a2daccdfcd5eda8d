"""Waiting for AWS, with a deadline, and no longer than the user wants."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from localcloud.provider.errors import CancelledError, ProviderError

POLL_SECONDS = 0.25


def _undisturbed(seconds: float) -> bool:
    time.sleep(seconds)
    return False


@dataclass(frozen=True)
class Waiting:
    """How handlers wait.

    Attributes:
        pause: sleeps for some seconds and says whether the user has interrupted the operation.
        longest_seconds: the user's own limit (`custom_timeouts`); 0 leaves it to the handler.
    """

    pause: Callable[[float], bool] = _undisturbed
    clock: Callable[[], float] = time.monotonic
    longest_seconds: float = 0

    def until(self, reached: Callable[[], bool], seconds: float, what: str) -> None:
        """Ask `reached` again and again.

        Raises:
            ProviderError: not reached within `seconds`; the text begins with `what`.
            CancelledError: the user interrupted.
        """
        limit = self.longest_seconds or seconds
        deadline = self.clock() + limit
        while not reached():
            if self.clock() >= deadline:
                raise ProviderError(f"{what}: not reached within {limit:g} s; run the same command again")
            if self.pause(POLL_SECONDS):
                raise CancelledError(f"{what}: interrupted; run the same command again")
