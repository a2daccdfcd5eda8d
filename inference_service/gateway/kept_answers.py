"""Answers just made under an Idempotency-Key, in memory: S3 has them as well, where there is one."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from inference_service.gateway.idempotent_run import Run

MOST_BYTES = 32 << 20
ENTRY_BYTES = 3 << 10  # of an answer without its body, measured
LONGEST_SECONDS = 86400.0  # S3 forgets them after a day, too


@dataclass(frozen=True)
class _Entry:
    run: Run
    size: int
    at: float


class KeptAnswers:
    """The latest of one gateway; the oldest goes first. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, identity: str) -> Run | None:
        self._drop()
        entry = self._entries.get(identity)
        return entry.run if entry else None

    def add(self, run: Run) -> None:
        if before := self._entries.pop(run.identity, None):
            self.size -= before.size
        entry = _Entry(run, ENTRY_BYTES + len(run.body), self._clock())
        self._entries[run.identity] = entry
        self.size += entry.size
        self._drop()

    def _drop(self) -> None:
        """What is too old, and the oldest of what is too much: they stand in the order of their ends."""
        too_old = self._clock() - LONGEST_SECONDS
        while self._entries:
            first = next(iter(self._entries.values()))
            if first.at > too_old and self.size <= MOST_BYTES:
                return
            del self._entries[first.run.identity]
            self.size -= first.size
