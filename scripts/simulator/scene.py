"""What is replayed: load, supplies, prices and promise; and what both modes of the simulator say of a step."""

import random
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from infra.planner.model import Limits, Promise
from scripts.simulator.groups import Group
from scripts.simulator.supplies import Supply
from scripts.simulator.traces import WHOLE_WITHIN, Floats, Series

STEP_SECONDS = 10.0
DROP_AFTER_SECONDS = 120.0
SKIPPED_DAYS = 2.0  # at the start: every policy learns something first
LEAST_LENGTH = 2.5  # times what is skipped: 5 days
REQUESTS_PER_REPLICA_SECOND = 5.0  # graininess: offered work of a step varies as a Poisson count of so many requests
TOKENS_PER_REPLICA_SECOND = 1000.0  # for dollars per million tokens and for the length of answers; stated with both


@dataclass(frozen=True)
class Scene:
    """Everything of a run but the policy. The unit of work is what one replica does in a second."""

    load: Series
    supplies: tuple[Supply, ...]
    mean_replicas: float = 12.0
    warm_up_seconds: float = 300.0
    promise: Promise = field(default_factory=Promise)
    spot_usd_per_hour: tuple[float, ...] = ()
    on_demand_usd_per_hour: float = 1.0
    most_replicas: int = 0  # of each group; 0: four times the busiest hour needs
    seed: int = 0
    skipped_days: float = SKIPPED_DAYS

    @property
    def steps(self) -> int:
        """The run ends with the shorter of load and supplies; nothing is repeated."""
        seconds = min([self.load.seconds, *(supply.capacity.seconds for supply in self.supplies)])
        return int(seconds / STEP_SECONDS + WHOLE_WITHIN)

    @property
    def first_scored(self) -> int:
        """What is replayed for less than five days, or 2.5 times what is skipped, starts warm and is scored whole."""
        skipped = int(self.skipped_days * 86_400 / STEP_SECONDS)
        return skipped if self.steps >= LEAST_LENGTH * skipped else 0

    def rate(self) -> Floats:
        """The load of each step, in its own unit."""
        return self.load.averaged(STEP_SECONDS, self.steps)

    def offered(self) -> Floats:
        """Replica-seconds of work that arrive in each step."""
        rate = self.rate()
        rate = rate * (self.mean_replicas / (float(rate[self.first_scored :].mean()) or 1.0))
        requests = np.random.default_rng([self.seed, 1]).poisson(rate * STEP_SECONDS * REQUESTS_PER_REPLICA_SECOND)
        return np.asarray(requests / REQUESTS_PER_REPLICA_SECOND, dtype=np.float64)

    def groups(self) -> list[Group]:
        prices = self.spot_usd_per_hour or (0.41 * self.on_demand_usd_per_hour,) * len(self.supplies)
        zones = [
            (supply.capacity.name, prices[i], supply.capacity.least(STEP_SECONDS, self.steps).astype(int).tolist())
            for i, supply in enumerate(self.supplies)
        ]
        rng = random.Random(self.seed * 7919 + 1)
        made = [Group(f"spot-{n}", True, usd, cap, rng, self.warm_up_seconds) for n, usd, cap in zones]
        return [*made, Group("on-demand", False, self.on_demand_usd_per_hour, None, rng, self.warm_up_seconds)]

    def limits(self, offered: Floats) -> Limits:
        most = self.most_replicas or self._ample(offered)
        names = [f"spot-{supply.capacity.name}" for supply in self.supplies]
        return Limits(dict.fromkeys([*names, "on-demand"], most), promise=self.promise)

    def _ample(self, offered: Floats) -> int:
        an_hour = int(3600 / STEP_SECONDS)
        busiest = (
            np.convolve(offered, np.ones(an_hour) / an_hour, "valid").max()
            if len(offered) > an_hour
            else offered.mean()
        )
        return max(4, int(4 * busiest / STEP_SECONDS))


class Step(NamedTuple):
    """One step of a queue. `work` is what arrived, in replica-seconds; requests count as if each were of mean size."""

    work: float
    offered: float
    answered: float
    late: float
    dropped: float


class Queue(Protocol):
    """Where work waits and is served. `waits` and `first_tokens` have requests by seconds, of the scored part; the
    fluid mode knows no first tokens.
    """

    waiting: float

    @property
    def waits(self) -> dict[float, float]: ...

    @property
    def first_tokens(self) -> dict[float, float]: ...

    def serve(self, index: int, ready: int, scored: bool) -> Step: ...
