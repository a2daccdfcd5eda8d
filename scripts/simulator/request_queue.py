"""The request-level mode: every request by itself, from its arrival to its first token and the end of its answer.

Requests wait in one queue, first in, first out, as the gateway keeps them, and begin as soon as any ready replica has a
free slot. A slot is held for the prompt and the answer at the speed of a full batch, whatever else the replica does:
too slow where it is not full, where no slot is wanted; right where slots are what is missing. No loop over requests: in
one pass as many begin as there are slots that none of them frees for another.
"""

import numpy as np
from numpy.typing import NDArray

from scripts.simulator.scene import (
    DROP_AFTER_SECONDS,
    REQUESTS_PER_REPLICA_SECOND,
    STEP_SECONDS,
    TOKENS_PER_REPLICA_SECOND,
    Scene,
    Step,
)
from scripts.simulator.sizes import usual_sizes
from scripts.simulator.traces import Floats, Sizes

SLOTS = 32  # answers that a replica decodes at once
PREFILL_TOKENS_PER_SECOND = 4000.0  # assumed: four times what a replica decodes
TICK_SECONDS = 0.01  # resolution of what is kept of waits
NOBODY = np.empty(0)


class RequestQueue:
    """Work is counted in replica-seconds, requests as if each were of mean size: figures of both modes compare."""

    def __init__(self, scene: Scene, offered: Floats) -> None:
        self.waiting = 0.0
        self._requests = np.rint(offered * REQUESTS_PER_REPLICA_SECOND).astype(np.int64).tolist()
        self._limit = scene.promise.wait_seconds
        self._rng = np.random.default_rng([scene.seed, 2])
        self._prefill, self._held = slot_seconds(scene.load.sizes or usual_sizes())
        self._free = np.empty((0, SLOTS))  # when each slot of each ready replica is free
        self._queue = np.empty((3, 0))  # arrival, seconds to prefill, seconds in a slot
        self._waits = np.zeros(int(2 * DROP_AFTER_SECONDS / TICK_SECONDS), dtype=np.int64)
        self._first_tokens = np.zeros_like(self._waits)

    def serve(self, index: int, ready: int, scored: bool) -> Step:
        now = index * STEP_SECONDS
        self._resize(ready, now)
        dropped = int(np.searchsorted(self._queue[0], now - DROP_AFTER_SECONDS))
        arrived = self._arrivals(index, now)
        queue = np.concatenate([self._queue[:, dropped:], arrived], axis=1)
        begun = begin(queue[0], queue[2], self._free.reshape(-1), now + STEP_SECONDS)
        waits = begun - queue[0, : len(begun)]
        first_tokens = waits + queue[1, : len(begun)]
        self._queue = queue[:, len(begun) :]
        self.waiting = float(self._queue[2].sum()) / SLOTS
        if scored:
            _count(self._waits, waits)
            _count(self._first_tokens, first_tokens)
        late = int(np.count_nonzero(first_tokens > self._limit)) + dropped
        counts = (arrived.shape[1], len(begun), late, dropped)
        return Step(float(arrived[2].sum()) / SLOTS, *(count / REQUESTS_PER_REPLICA_SECOND for count in counts))

    @property
    def waits(self) -> dict[float, float]:
        return _seconds(self._waits)

    @property
    def first_tokens(self) -> dict[float, float]:
        return _seconds(self._first_tokens)

    def _arrivals(self, index: int, now: float) -> Floats:
        count = self._requests[index]
        which = self._rng.integers(0, len(self._held), count)
        at = now + np.sort(self._rng.random(count)) * STEP_SECONDS
        return np.stack([at, self._prefill[which], self._held[which]])

    def _resize(self, ready: int, now: float) -> None:
        """New replicas have free slots. Which ones leave is chance; what they hold they finish, and begin no more."""
        before = len(self._free)
        if ready > before:
            self._free = np.concatenate([self._free, np.full((ready - before, SLOTS), now)])
        elif ready < before:
            self._free = self._free[self._rng.permutation(before)[:ready]]


def slot_seconds(sizes: Sizes) -> tuple[Floats, Floats]:
    """Seconds to prefill and seconds in a slot of each request. The latter scaled so that on average a replica answers
    as many as in the fluid mode.
    """
    prefill = sizes.prompts / PREFILL_TOKENS_PER_SECOND
    held = prefill + sizes.outputs * SLOTS / TOKENS_PER_REPLICA_SECOND
    return prefill, held * (SLOTS / REQUESTS_PER_REPLICA_SECOND / held.mean())


def begin(arrived: Floats, held: Floats, free: Floats, until: float) -> Floats:
    """When each request begins, in order, for those that begin before `until`; `free` becomes when slots are free then.

    One pass takes the slots in the order in which they are free. It ends at the first request that would wait for one
    although a request of the same pass gives its slot back sooner.
    """
    begun: list[Floats] = []
    at = 0
    while at < len(arrived) and len(free):
        slots = _soonest(free, len(arrived) - at)
        end = at + len(slots)
        starts = np.maximum(arrived[at:end], free[slots])
        ends = starts + held[at:end]
        soonest = np.minimum.accumulate(ends)
        wrong = (starts[1:] > arrived[at + 1 : end]) & (soonest[:-1] < starts[1:])
        count = int(wrong.argmax()) + 1 if wrong.any() else len(starts)
        in_time = int(np.searchsorted(starts[:count], until))
        free[slots[:in_time]] = ends[:in_time]
        begun.append(starts[:in_time])
        if in_time < count:
            break
        at += count
    return np.concatenate(begun) if begun else NOBODY


def _soonest(free: Floats, count: int) -> NDArray[np.intp]:
    """The slots that are free first, in that order, as many as `count` can use."""
    if 4 * count < len(free):
        first = np.argpartition(free, count)[:count]
        return np.asarray(first[np.argsort(free[first])])
    return np.asarray(np.argsort(free)[:count])


def _count(ticks: NDArray[np.int64], seconds: Floats) -> None:
    found = np.bincount(np.minimum(np.ceil(seconds / TICK_SECONDS - 1e-6).astype(np.int64), len(ticks) - 1))
    ticks[: len(found)] += found


def _seconds(ticks: NDArray[np.int64]) -> dict[float, float]:
    return {float(i * TICK_SECONDS): float(ticks[i] / REQUESTS_PER_REPLICA_SECOND) for i in np.flatnonzero(ticks)}
