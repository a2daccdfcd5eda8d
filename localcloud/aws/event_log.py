"""What changed in this cloud, in order, for those who follow it."""

import threading
from collections import deque
from typing import Any

KEPT = 10_000

# Names of events. The daemon asks for instances or load balancers again after them (localcloud/events.py).
INSTANCE_PENDING = "instance-pending"
INSTANCE_RUNNING = "instance-running"
INSTANCE_STOPPED = "instance-stopped"
INSTANCE_REBOOTED = "instance-rebooted"
INSTANCE_TERMINATED = "instance-terminated"
IMAGE_PENDING = "instance-image-pending"
BALANCERS_CHANGED = "balancers-changed"
LIFECYCLE_CHANGED = "lifecycle-changed"
HOOK_COMPLETED = "hook-completed"
SPOT_NOTICE = "spot-notice"
SPOT_REBALANCE = "spot-rebalance"
TICK_FAILED = "tick-failed"
FUNCTION_RAN = "function-ran"
FUNCTION_FAILED = "function-failed"


class EventLog:
    """Numbered events, the newest `KEPT` of them; reading and waiting is safe from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._last = 0
        self._closed = False

    def add(self, kind: str, **details: Any) -> None:
        """Record an event of type `kind`; `details` are JSON values."""
        with self._changed:
            self._last += 1
            self._events.append({"seq": self._last, "type": kind, **details})
            self._changed.notify_all()

    def after(self, number: int, wait_seconds: float = 0.0) -> list[dict[str, Any]]:
        """Events after the one numbered `number`; waits up to `wait_seconds` (real) for the first one."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._last > number, wait_seconds)
            return [each for each in self._events if each["seq"] > number]

    def close(self) -> None:
        """Wake all who wait: no more events will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
