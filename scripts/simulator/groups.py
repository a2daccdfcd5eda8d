"""One simulated Auto Scaling group: instances from launch to gone, billed for every second in between.

As on AWS: a launch that finds no capacity is tried again; a reclaim gives 120 s of notice, and a node under notice
takes no new work; a node that scale-in chose drains, then terminates. Simplified: on-demand capacity never runs out.
"""

import random
from dataclasses import dataclass, field

from infra.planner.model import Pool, WarmUp

NOTICE_SECONDS = 120.0  # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
DRAIN_SECONDS = 30.0
LAUNCH_RETRY_SECONDS = 60.0


@dataclass
class Group:
    """Instances of one pool. `supply[i]` is the spot capacity at step i; None where capacity never ends."""

    name: str
    spot: bool
    usd_per_hour: float
    supply: list[int] | None
    rng: random.Random
    warm_up_median_seconds: float
    warm_up_sigma: float = 0.25
    desired: int = 0
    ready: int = 0
    launched: int = 0
    billed_seconds: float = 0.0
    warming_seconds: float = 0.0
    lost_warming_seconds: float = 0.0
    noticed: int = 0
    _warming: list[tuple[float, float]] = field(default_factory=list)  # (ready at, launched at)
    _leaving: list[float] = field(default_factory=list)  # when each is gone
    _warm_ups: list[WarmUp] = field(default_factory=list)
    _next_launch: float = 0.0

    def step(self, now: float, index: int, seconds: float) -> None:
        """Bring the group from `now` to `now + seconds`: reclaims, arrivals, departures, launches, scale-in, the
        bill.
        """
        if self._leaving:
            self._leaving = [gone for gone in self._leaving if gone > now]
        if self._warming:
            self._become_ready(now)
        capacity = self.supply[index] if self.supply is not None else None
        owned = self.ready + len(self._warming)
        if capacity is not None and owned > capacity:
            self._reclaim(owned - capacity, now)
            owned = self.ready + len(self._warming)
        if owned > self.desired:
            self._scale_in(owned - self.desired, now)
        elif owned < self.desired and now >= self._next_launch:
            self._launch(self.desired - owned, None if capacity is None else capacity - owned, now)
        count = self.ready + len(self._warming) + len(self._leaving)
        self.billed_seconds += count * seconds
        self.warming_seconds += len(self._warming) * seconds

    def observed(self, now: float) -> Pool:
        """What Describe shows; hands out what happened since the last call."""
        ages = tuple(now - launched for _, launched in self._warming)
        pool = Pool(self.name, self.spot, self.usd_per_hour, self.desired, self.ready, ages, self.noticed)
        self.noticed = 0
        return pool

    def take_warm_ups(self) -> list[WarmUp]:
        ended, self._warm_ups = self._warm_ups, []
        return ended

    def _become_ready(self, now: float) -> None:
        if min(self._warming)[0] > now:
            return
        for at, launched in self._warming:
            if at <= now:
                self.ready += 1
                self._warm_ups.append(WarmUp(at - launched, True))
        self._warming = [one for one in self._warming if one[0] > now]

    def _reclaim(self, count: int, now: float) -> None:
        for _ in range(count):
            self.noticed += 1
            if self.rng.random() * (self.ready + len(self._warming)) < self.ready:
                self.ready -= 1
            else:
                _, launched = self._warming.pop(self.rng.randrange(len(self._warming)))
                self._warm_ups.append(WarmUp(now - launched, False))
                self.lost_warming_seconds += now - launched
            self._leaving.append(now + NOTICE_SECONDS)

    def _scale_in(self, count: int, now: float) -> None:
        """The youngest that still warm up go first, at once; ready ones drain."""
        self._warming.sort(key=lambda one: one[1])
        for _ in range(count):
            if self._warming:
                _, launched = self._warming.pop()
                self._warm_ups.append(WarmUp(now - launched, False))
                self.lost_warming_seconds += now - launched
            else:
                self.ready -= 1
                self._leaving.append(now + DRAIN_SECONDS)

    def _launch(self, wanted: int, room: int | None, now: float) -> None:
        count = wanted if room is None else min(wanted, max(room, 0))
        if count < wanted:
            self._next_launch = now + LAUNCH_RETRY_SECONDS
        for _ in range(count):
            takes = self.warm_up_median_seconds * self.rng.lognormvariate(0.0, self.warm_up_sigma)
            self._warming.append((now + takes, now))
        self.launched += count
