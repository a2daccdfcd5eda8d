"""What a scaling policy sees, what it may not exceed and what it answers. Every policy of the simulator speaks in
these words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WarmUp:
    """One launch that came to its end. `seconds` from launch to ready, or to its end while it was not ready yet.

    `failed` ones were taken by nobody: not by a reclaim, not by scale-in. `combination` is that of its pool.
    """

    seconds: float
    became_ready: bool
    failed: bool = False
    combination: str = ""


@dataclass(frozen=True)
class Pool:
    """One Auto Scaling group as its Describe call and the fleet's metrics show it, now.

    `usd_per_hour` is the price of one replica. `warming_ages_seconds` has one age since launch for each replica that is
    paid for and not ready. `noticed` were told to leave since the last observation; `at_risk` of the ready ones have a
    rebalance recommendation. `combination` names what launches there (template, model version): see the launch breaker.
    """

    name: str
    spot: bool
    usd_per_hour: float
    desired: int
    ready: int
    warming_ages_seconds: tuple[float, ...] = ()
    noticed: int = 0
    at_risk: int = 0
    combination: str = ""
    suspended: bool = False

    @property
    def owned(self) -> int:
        """Replicas that are paid for and neither draining nor under notice."""
        return self.ready + len(self.warming_ages_seconds)


@dataclass(frozen=True)
class Observation:
    """One minute. Figures of requests are the newest that are known, up to a minute older than `at_seconds` (Unix
    time).

    `offered_tokens_per_second` is what clients asked for, `backlog_tokens` what waits; None where the metric is
    missing. `answered` and `late` count requests of that minute, late ones waited longer than promised or were dropped.
    `figures_minute` is that minute (Unix time by 60); None is the one before `at_seconds`. Figures that come again,
    while newer ones are late, are planned with and not learned again.
    """

    at_seconds: float
    pools: tuple[Pool, ...]
    replica_tokens_per_second: float
    offered_tokens_per_second: float | None
    backlog_tokens: float = 0.0
    answered: float = 0.0
    late: float = 0.0
    warm_ups: tuple[WarmUp, ...] = ()
    figures_minute: int | None = None


@dataclass(frozen=True)
class Promise:
    """At least `share` of the requests wait no longer than `wait_seconds`."""

    wait_seconds: float = 20.0
    share: float = 0.99


@dataclass(frozen=True)
class Limits:
    """What no plan exceeds: replicas by pool, dollars an hour for all pools; and what none goes below: the base, and
    `least_replicas` in all pools together, which also a brake may refuse.
    """

    most_replicas: dict[str, int]
    base_on_demand: int = 0
    max_hourly_usd: float | None = None
    promise: Promise = Promise()
    least_replicas: int = 0


@dataclass(frozen=True)
class Target:
    """Desired capacity of one pool, and why in one clause."""

    pool: str
    desired: int
    reason: str


@dataclass(frozen=True)
class Expected:
    """What the plan counts on when a replica bought now would be ready. Replicas; `shortfall_share` is of the
    demand.
    """

    horizon_seconds: float = 0.0
    demand_replicas: float = 0.0
    demand_p95_replicas: float = 0.0
    ready_replicas: float = 0.0
    shortfall_share: float = 0.0
    epsilon: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Targets for every pool of the observation, the refusals of the brakes, and the state for the next call."""

    targets: tuple[Target, ...]
    state: Any
    expected: Expected = Expected()
    refusals: tuple[str, ...] = ()

    def desired(self) -> dict[str, int]:
        return {target.pool: target.desired for target in self.targets}


# `state` is what the policy's last plan returned, or None the first time.
Policy = Callable[[Observation, Any, Limits], Plan]
