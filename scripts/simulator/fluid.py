"""The fluid mode: requests are not told apart. Each step's tokens are a drop that waits, is served or dropped."""

from collections import deque

from scripts.simulator.scene import DROP_AFTER_SECONDS, STEP_SECONDS, Scene, Step
from scripts.simulator.traces import Floats


class FluidQueue:
    """First in, first out. Work of a step that fits into it has not waited; the rest waits until the step that serves
    it.
    """

    def __init__(self, scene: Scene, offered: Floats) -> None:
        self.waiting = 0.0
        self.waits: dict[float, float] = {}
        self.first_tokens: dict[float, float] = {}
        self._limit = scene.promise.wait_seconds
        self._offered: list[float] = offered.tolist()
        self._queue: deque[list[float]] = deque()  # [arrived at, work]

    def serve(self, index: int, ready: int, scored: bool) -> Step:
        queue, now, work = self._queue, index * STEP_SECONDS, self._offered[index]
        late = answered = dropped = 0.0
        while queue and now - queue[0][0] > DROP_AFTER_SECONDS:
            _, lost = queue.popleft()
            dropped += lost
            self.waiting -= lost
        if work > 0:
            queue.append([now, work])
            self.waiting += work
        room = ready * STEP_SECONDS
        while queue and room > 0:
            arrived, amount = queue[0]
            part = amount if amount <= room else room
            waited = now - arrived
            if scored:
                self.waits[waited] = self.waits.get(waited, 0.0) + part
            if waited > self._limit:
                late += part
            answered += part
            room -= part
            self.waiting -= part
            if part == amount:
                queue.popleft()
            else:
                queue[0][1] = amount - part
        return Step(work, work, answered, late + dropped, dropped)
