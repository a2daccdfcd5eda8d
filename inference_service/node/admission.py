"""Backpressure: as many answers at once as the engine has slots, a short queue, and an honest no beyond."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class NodeBusyError(Exception):
    """All slots are taken and the queue is full."""


class HandedOverError(Exception):
    """The node has to leave before this answer is complete: another node gives it, or the rest of it."""


def _ignore() -> None:
    return None


class Admission:
    """Counts accepted requests, running or queued; `on_change` is called whenever one has left."""

    def __init__(self, slots: int, queue: int) -> None:
        self.slots = slots
        self.queue = queue
        self.on_change: Callable[[], None] = _ignore
        self._free = asyncio.Semaphore(slots)
        self._spare = 0
        self._tasks: set[asyncio.Task[object]] = set()
        self._waiting: set[asyncio.Timeout] = set()
        self._running: set[asyncio.Timeout] = set()

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    @property
    def occupied(self) -> int:
        """Slots that are taken, and requests that wait for one."""
        return self.in_flight + self._spare

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot, waiting for one in the queue if need be.

        Raises:
            NodeBusyError: slots and queue are full.
            HandedOverError: from within, whatever the holder is waiting for.
        """
        if self.occupied >= self.slots + self.queue:
            raise NodeBusyError(
                f"{self.occupied} answers are here already: {self.slots} slots and a queue of {self.queue}"
            )
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        turn = asyncio.timeout(None)
        try:
            async with turn, self._granted(turn):
                yield
        except TimeoutError as error:
            if turn.expired():
                raise HandedOverError from error
            raise
        finally:
            self._tasks.discard(task)
            self.on_change()

    @asynccontextmanager
    async def spare(self, most: int) -> AsyncIterator[int]:
        """Hold up to `most` more slots, of those that nobody uses or waits for at this moment; how many they are."""
        taken = 0
        try:
            while taken < most and not self._free.locked():
                await self._free.acquire()
                taken += 1
                self._spare += 1
            yield taken
        finally:
            for _ in range(taken):
                self._spare -= 1
                self._free.release()

    @asynccontextmanager
    async def _granted(self, turn: asyncio.Timeout) -> AsyncIterator[None]:
        self._waiting.add(turn)
        try:
            async with self._free:
                self._waiting.discard(turn)
                self._running.add(turn)
                yield
        finally:
            self._waiting.discard(turn)
            self._running.discard(turn)

    def hand_over_waiting(self) -> int:
        """Give back what has not begun; returns how many."""
        return _expire(self._waiting)

    def hand_over_all(self) -> int:
        """Give back every accepted request; returns how many."""
        return _expire(self._waiting) + _expire(self._running)

    def cancel_all(self) -> int:
        """Cut off every accepted request; returns how many."""
        for task in self._tasks:
            task.cancel()
        return len(self._tasks)


def _expire(turns: set[asyncio.Timeout]) -> int:
    """End each one's wait at once, as a timeout: a bare cancellation would look like a client's leaving."""
    now = asyncio.get_running_loop().time()
    expiring = list(turns)
    turns.clear()  # one that has expired cannot expire again
    for turn in expiring:
        turn.reschedule(now)
    return len(expiring)
