"""The planner with one of its parts taken out, for the simulator alone: what each part is worth.

A part is taken out by putting a simpler function in its place for as long as a context lasts. The planner that is
deployed has no such switch.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from infra.planner import losses
from infra.planner import plan as planning
from infra.planner.forecast import SHARES, Demand, Forecast
from infra.planner.hold import Hold
from infra.planner.losses import Losses, Scenario
from infra.planner.model import Limits, Observation, Plan, Policy
from infra.planner.plan import plan
from infra.planner.steering import Steering

LOSSES_AN_HOUR = 0.5  # of every pool at any time: between what restless and calm ones lose
FIXED_EPSILON = 0.04  # where steering begins


@contextmanager
def last_minute() -> Iterator[None]:
    """The first forecaster, the last minute as it is, with its own errors; never the best of nine."""
    choose = Forecast._choose

    def first(self: Forecast) -> None:
        choose(self)
        self.best, self.factors = 0, self.errors[0].quantiles(SHARES)

    with patch.object(Forecast, "_choose", first):
        yield


@contextmanager
def mean_alone() -> Iterator[None]:
    """The best forecaster's mean, as if it were certain."""
    told = Forecast.demand

    def certain(self: Forecast, *arguments: Any, **named: Any) -> Demand:
        mean = max(told(self, *arguments, **named).mean(), 1e-6)
        return Demand((mean, mean * (1 + 1e-6)), (1.0, 0.0))

    with patch.object(Forecast, "demand", certain):
        yield


def one_hazard() -> AbstractContextManager[Any]:
    return patch.object(Losses, "per_hour", lambda self, name, minute: LOSSES_AN_HOUR)


@contextmanager
def apart() -> Iterator[None]:
    """What several zones lost together is taken for as many events, one of each zone."""
    told = Losses.scenarios

    def alone(self: Losses, *arguments: Any) -> list[Scenario]:
        one_each = replace(self, events=[event for both in self.events for event in _of_each_zone(*both)])
        return told(one_each, *arguments)

    with patch.object(Losses, "scenarios", alone), patch.object(losses, "UNSEEN_CORRELATION", 0.0):
        yield


def _of_each_zone(minute: int, lost: Mapping[str, float]) -> list[tuple[int, dict[str, float]]]:
    struck = [name for name, share in lost.items() if share]
    return [(minute, {other: lost[other] if other == name else 0.0 for other in lost}) for name in struck]


def warming_is_nothing(seen: Observation, state: Any, limits: Limits) -> Plan:
    """Replicas that warm up are bought again: desired is what is wanted beside them."""
    blind = tuple(
        replace(pool, warming_ages_seconds=(), desired=pool.desired - len(pool.warming_ages_seconds))
        for pool in seen.pools
    )
    found = plan(replace(seen, pools=blind), state, limits)
    warming = {pool.name: len(pool.warming_ages_seconds) for pool in seen.pools}
    targets = (
        replace(one, desired=min(one.desired + warming[one.pool], limits.most_replicas[one.pool]))
        if one.desired > next(pool.ready for pool in seen.pools if pool.name == one.pool)
        else one
        for one in found.targets
    )
    return replace(found, targets=tuple(targets))


def released_at_once() -> AbstractContextManager[Any]:
    return patch.object(planning, "_still_needed", lambda observation, outlook, offers: 0)


def no_hold() -> AbstractContextManager[Any]:
    return patch.object(Hold, "held", lambda self, pool, minute, wanted, owned, warm_up_minutes: wanted)


def fixed_epsilon() -> AbstractContextManager[Any]:
    return patch.object(Steering, "epsilon", lambda self, promise: FIXED_EPSILON)


# Part of issue and documentation ("How it decides"), what is done instead, and how.
ABLATIONS: dict[str, tuple[Callable[[], AbstractContextManager[Any]], Policy]] = {
    "the whole planner": (nullcontext, plan),
    "1: the last minute's demand, not the best forecaster's": (last_minute, plan),
    "1: the mean forecast as if certain": (mean_alone, plan),
    f"2: every pool loses {LOSSES_AN_HOUR:g} times an hour, never learned": (one_hazard, plan),
    "2: zones never fall together": (apart, plan),
    "3: warming replicas count as nothing": (nullcontext, warming_is_nothing),
    "3: on-demand goes before spot is ready": (released_at_once, plan),
    "4: scale-in does not wait": (no_hold, plan),
    f"5: epsilon stays {FIXED_EPSILON:g}": (fixed_epsilon, plan),
}
