"""Properties that hold for every fleet and every demand, searched by hypothesis."""

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.planner.model import Limits, Observation, Pool, WarmUp
from infra.planner.plan import plan
from infra.planner.state import State, as_json, from_json
from tests.unit.planner.observations import START, obeyed

COUNTS = st.integers(0, 30)
DEMANDS = st.floats(0.0, 60.0)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Pool, ...]:
    zones = draw(st.integers(1, 4))
    made = [
        Pool(
            f"spot-{i}",
            True,
            draw(st.floats(0.2, 1.0)),
            draw(COUNTS),
            draw(COUNTS),
            tuple(draw(st.lists(st.floats(0, 900), max_size=6))),
            noticed=draw(st.integers(0, 5)),
        )
        for i in range(zones)
    ]
    return (*made, Pool("on-demand", False, 1.0, draw(COUNTS), draw(COUNTS)))


@st.composite
def histories(draw: st.DrawFn) -> tuple[State, tuple[Pool, ...], Limits]:
    """A state after some minutes of changing demand, the fleet that it led to, and its limits."""
    fleet = draw(fleets())
    limits = Limits({pool.name: draw(st.integers(0, 60)) for pool in fleet})
    state: State | None = None
    for minute, demand in enumerate(draw(st.lists(DEMANDS, min_size=1, max_size=12))):
        last = plan(Observation(START + 60 * minute, fleet, 1.0, demand, answered=demand * 60), state, limits)
        state = last.state
        if draw(st.booleans()):
            fleet = obeyed(fleet, last.desired())
    assert state is not None
    return state, fleet, limits


def after(state: State) -> float:
    return (state.minute + 1) * 60.0


@settings(deadline=None, max_examples=150)
@given(histories(), DEMANDS)
def test_no_purchase_is_above_a_limit(history: tuple[State, tuple[Pool, ...], Limits], demand: float) -> None:
    state, fleet, limits = history
    desired = plan(Observation(after(state), fleet, 1.0, demand), state, limits).desired()
    for pool in fleet:
        assert 0 <= desired[pool.name] <= max(limits.most_replicas[pool.name], pool.owned)


@settings(deadline=None, max_examples=150)
@given(histories(), DEMANDS, st.randoms())
def test_the_order_of_pools_changes_nothing(
    history: tuple[State, tuple[Pool, ...], Limits],
    demand: float,
    random: "st.Random",  # type: ignore[name-defined]
) -> None:
    state, fleet, limits = history
    shuffled = list(fleet)
    random.shuffle(shuffled)
    one = plan(Observation(after(state), fleet, 1.0, demand), state, limits)
    other = plan(Observation(after(state), tuple(shuffled), 1.0, demand), state, limits)
    assert one.desired() == other.desired()


@settings(deadline=None, max_examples=150)
@given(histories(), DEMANDS, st.floats(1.0, 3.0))
def test_more_demand_never_buys_less_capacity(
    history: tuple[State, tuple[Pool, ...], Limits], demand: float, times: float
) -> None:
    """Not fewer replicas, but for one; or dearer ones: one replica of on-demand may stand for two of spot."""
    state, fleet, limits = history
    calm = tuple(replace(pool, noticed=0) for pool in fleet)
    less = plan(Observation(after(state), calm, 1.0, demand), state, limits)
    more = plan(Observation(after(state), calm, 1.0, demand * times), state, limits)
    usd = {pool.name: pool.usd_per_hour for pool in calm}
    (count, cost), (fewer, cheaper) = (
        (sum(one.values()), sum(usd[name] * each for name, each in one.items()))
        for one in (more.desired(), less.desired())
    )
    assert count >= fewer - 1 or cost > cheaper


@settings(deadline=None, max_examples=100)
@given(histories(), DEMANDS)
def test_a_state_that_was_written_and_read_plans_the_same(
    history: tuple[State, tuple[Pool, ...], Limits], demand: float
) -> None:
    state, fleet, limits = history
    read = from_json(json.loads(json.dumps(as_json(state))))
    observation = Observation(after(state), fleet, 1.0, demand)
    assert plan(observation, read, limits).desired() == plan(observation, state, limits).desired()


@settings(deadline=None, max_examples=60)
@given(histories(), DEMANDS)
def test_a_state_that_the_last_planner_wrote_loads_and_plans_the_same(
    history: tuple[State, tuple[Pool, ...], Limits], demand: float
) -> None:
    """It does not say which minute's figures were learned last: those before its plan were; nor what warmed up."""
    state, fleet, limits = history
    state.warm_ups = state.warm_ups.learned([WarmUp(200.0, True)] * 20)
    document = json.loads(json.dumps(as_json(state)))
    del document["figures_minute"], document["warmed_up"]
    read = from_json(document)
    assert read.figures_minute == state.minute - 1 == state.figures_minute
    assert read.warm_ups.samples == [(200.0, True, "")] * 20
    observation = Observation(after(state), fleet, 1.0, demand)
    assert plan(observation, read, limits).desired() == plan(observation, state, limits).desired()


@settings(deadline=None, max_examples=60)
@given(histories(), DEMANDS)
def test_a_plan_does_not_change_the_state_that_it_was_given(
    history: tuple[State, tuple[Pool, ...], Limits], demand: float
) -> None:
    state, fleet, limits = history
    before = json.dumps(as_json(state))
    plan(Observation(after(state), fleet, 1.0, demand), state, limits)
    assert json.dumps(as_json(state)) == before
