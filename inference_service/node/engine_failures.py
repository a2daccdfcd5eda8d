"""How often this node's engine has failed with versions that the node has served, and whether restarts still help.

A version that was never served here says nothing of the machine: it may be corrupt, or too large for it.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inference_service.artifacts import VersionRef

MOST_RESTARTS = 2  # of the engine, within
RESTARTS_WINDOW_SECONDS = 1800.0


def beyond_repair(failed_at: Sequence[float], served_at: float, now: float) -> bool:
    """Whether restarts do not mend the engine: it failed again after two of them. In seconds of one clock.

    Since it last served, each failure counts however long ago it was: a load that hangs takes its whole timeout.
    """
    return sum(now - each < RESTARTS_WINDOW_SECONDS or each >= served_at for each in failed_at) > MOST_RESTARTS


@dataclass
class EngineFailures:
    """The worker notes them, its watcher acts on them. `clock` counts seconds."""

    clock: Callable[[], float] = time.monotonic
    problem: str = ""  # the latest
    count: int = 0
    _failed_at: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_RESTARTS + 1))
    _served: set[VersionRef] = field(default_factory=set)
    _served_at: float = 0.0
    _noted: bool = False  # that what is loaded has failed

    @property
    def beyond_repair(self) -> bool:
        return beyond_repair(self._failed_at, self._served_at, self.clock())

    def serve(self, reference: VersionRef) -> None:
        """It is loaded, and has answered."""
        self._served.add(reference)
        self._served_at, self._noted = self.clock(), False

    def note(self, problem: str) -> None:
        """An engine that served fails."""
        self.problem, self._noted = problem, True
        self.count += 1
        self._failed_at.append(self.clock())

    def note_unloaded(self, problem: str | None) -> None:
        """It is unloaded with this problem, which may have been noted before."""
        if problem and not self._noted:
            self.note(problem)

    def note_load(self, reference: VersionRef, problem: str) -> None:
        """It could not be loaded."""
        if reference in self._served:
            self.note(problem)
