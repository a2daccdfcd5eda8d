"""Observations for tests of the planner: a fleet in words of a few numbers."""

from dataclasses import replace

from infra.planner.model import Limits, Observation, Plan, Pool
from infra.planner.plan import plan
from infra.planner.state import State

START = 1_700_000_000.0 // 60 * 60
SPOT_USD, ON_DEMAND_USD = 0.41, 1.0
LIMITS = Limits({"spot-a": 40, "spot-b": 40, "on-demand": 40})


def pools(a: int = 0, b: int = 0, on_demand: int = 0, warming_a: int = 0) -> tuple[Pool, ...]:
    """Two zones of spot and on-demand, with so many ready; `warming_a` were launched a minute ago."""
    ages = (60.0,) * warming_a
    return (
        Pool("spot-a", True, SPOT_USD, a + warming_a, a, ages),
        Pool("spot-b", True, SPOT_USD, b, b),
        Pool("on-demand", False, ON_DEMAND_USD, on_demand, on_demand),
    )


def seen(minute: int, offered: float | None, fleet: tuple[Pool, ...], **more: object) -> Observation:
    """What the planner sees in a minute; `offered` in replicas."""
    base = Observation(START + 60 * minute, fleet, 1.0, offered, answered=60.0 * (offered or 0.0))
    return replace(base, **more)  # type: ignore[arg-type]


def obeyed(fleet: tuple[Pool, ...], targets: dict[str, int]) -> tuple[Pool, ...]:
    """The fleet when every wish was granted and has become ready."""
    return tuple(replace(p, desired=targets[p.name], ready=targets[p.name], warming_ages_seconds=()) for p in fleet)


def settled(offered: float, minutes: int = 90, limits: Limits = LIMITS) -> tuple[State, tuple[Pool, ...], Plan]:
    """A fleet that has met a steady demand for so long, with its planner's state and last plan."""
    state: State | None = None
    fleet = pools(a=max(1, round(offered)))
    for minute in range(minutes):
        last = plan(seen(minute, offered, fleet), state, limits)
        state, fleet = last.state, obeyed(fleet, last.desired())
    assert state is not None
    return state, fleet, last
