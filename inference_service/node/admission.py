"""Backpressure: as many answers at once as the engine has slots, a short queue, and an honest no beyond."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class NodeBusyError(Exception):
    """All slots are taken and the queue is full."""


def _ignore() -> None:
    return None


class Admission:
    """Counts accepted requests, running or queued; `on_change` is called whenever one has left."""

    def __init__(self, slots: int, queue: int) -> None:
        self.slots = slots
        self.queue = queue
        self.on_change: Callable[[], None] = _ignore
        self._free = asyncio.Semaphore(slots)
        self._tasks: set[asyncio.Task[object]] = set()

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot, waiting for one in the queue if need be.

        Raises:
            NodeBusyError: slots and queue are full.
        """
        if self.in_flight >= self.slots + self.queue:
            raise NodeBusyError(
                f"{self.in_flight} requests are here already: {self.slots} slots and a queue of {self.queue}"
            )
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with self._free:
                yield
        finally:
            self._tasks.discard(task)
            self.on_change()

    def cancel_all(self) -> int:
        """Give up every accepted request, when the time to drain is over; returns how many."""
        for task in self._tasks:
            task.cancel()
        return len(self._tasks)
