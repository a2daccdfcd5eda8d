"""Time as hooks, notices and launches count it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """Cloud seconds. At `scale` 60 a notice of two minutes lasts two real seconds."""

    def __init__(self, scale: float = 1.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        if scale <= 0:
            raise ValueError(f"time scale is {scale:g}, must be above 0; give --time-scale 1 for real time")
        self.scale = scale
        self._monotonic = monotonic
        self._start = monotonic()
        self._start_date = datetime.now(UTC)

    def now(self) -> float:
        """Cloud seconds since the cloud began."""
        return (self._monotonic() - self._start) * self.scale

    def date(self, seconds: float) -> datetime:
        """The real date at which `now()` says (or said) `seconds`."""
        return self._start_date + timedelta(seconds=seconds / self.scale)

    def cloud_date(self, seconds: float) -> datetime:
        """What a clock in the cloud shows when `now()` says `seconds`: its day is as long as 24 hours of cloud time.

        Schedules and CloudWatch tell it, so that a minute of figures is a minute of the schedule at every scale. What
        instances are told are real dates: they compare them with this machine's clock.
        """
        return self._start_date + timedelta(seconds=seconds)


class ManualClock(Clock):
    """Stands still until a test advances it."""

    def __init__(self, scale: float = 1.0) -> None:
        self.seconds = 0.0
        super().__init__(scale, lambda: self.seconds / scale)

    def advance(self, seconds: float) -> None:
        """Let so many cloud seconds pass."""
        self.seconds += seconds
