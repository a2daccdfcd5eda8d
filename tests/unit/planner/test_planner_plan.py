"""What a plan does in the situations that a fleet gets into: each test names the rule that it proves."""

import json
from dataclasses import replace

import pytest

from infra.planner.forecast import Forecast
from infra.planner.model import Limits, WarmUp
from infra.planner.plan import plan
from infra.planner.state import as_json, from_json
from tests.unit.planner.observations import LIMITS, ON_DEMAND_USD, SPOT_USD, START, obeyed, pools, seen, settled

MINUTES = 90


def total(desired: dict[str, int]) -> int:
    return sum(desired.values())


def test_steady_demand_is_met_by_spot_in_both_zones() -> None:
    _, _, last = settled(10.0)
    desired = last.desired()
    assert desired["spot-a"] + desired["spot-b"] >= 11
    assert min(desired["spot-a"], desired["spot-b"]) >= 3  # one zone alone would be lost at once


def test_replicas_that_warm_up_are_not_bought_again() -> None:
    state, fleet, last = settled(10.0)
    for minute in range(MINUTES, MINUTES + 6):
        last = plan(seen(minute, 20.0, fleet), state, LIMITS)
        state = last.state
        fleet = tuple(
            replace(p, desired=count, warming_ages_seconds=(60.0,) * (count - p.ready))
            for p in fleet
            if (count := last.desired()[p.name]) is not None
        )
    warming = plan(seen(MINUTES + 6, 20.0, fleet), state, LIMITS)
    ready = plan(seen(MINUTES + 6, 20.0, obeyed(fleet, last.desired())), state, LIMITS)
    assert sum(len(pool.warming_ages_seconds) for pool in fleet) > 5
    assert warming.desired() == ready.desired()


def test_a_zone_that_gives_nothing_is_covered_by_on_demand() -> None:
    state, fleet, _ = settled(10.0)
    dry = tuple(replace(p, ready=0, noticed=p.ready) if p.spot else p for p in fleet)
    for minute in range(MINUTES, MINUTES + 6):
        last = plan(seen(minute, 10.0, dry), state, LIMITS)
        state = last.state
        dry = tuple(
            replace(p, desired=last.desired()[p.name], noticed=0, ready=0 if p.spot else last.desired()[p.name])
            for p in dry
        )
    assert last.desired()["on-demand"] >= 10
    assert last.desired()["spot-a"] > 0  # and is still asked: capacity that returns costs less


def test_on_demand_is_released_only_when_spot_is_ready() -> None:
    state, _, _ = settled(10.0)
    warming = pools(a=0, b=0, on_demand=12, warming_a=14)
    first = plan(seen(MINUTES, 10.0, warming), state, LIMITS)
    assert first.desired()["on-demand"] >= 10
    assert reason(first, "on-demand") == "kept until spot is ready"
    fleet, state, minute = pools(a=8, b=8, on_demand=12), first.state, MINUTES
    for minute in range(MINUTES + 1, MINUTES + 1 + 12 * 60):  # half a calm day
        last = plan(seen(minute, 10.0, fleet), state, LIMITS)
        state, fleet = last.state, obeyed(fleet, last.desired())
    assert last.desired()["on-demand"] == 0


def reason(last: object, pool: str) -> str:
    return next(target.reason for target in last.targets if target.pool == pool)  # type: ignore[attr-defined]


def test_scale_in_waits_for_two_warm_ups() -> None:
    state, fleet, before = settled(12.0)
    spot = before.desired()["spot-a"] + before.desired()["spot-b"]
    warm_up_minutes = state.warm_ups.mean_seconds() / 60
    for minute in range(MINUTES, MINUTES + 40):
        last = plan(seen(minute, 2.0, fleet), state, LIMITS)
        state, fleet = last.state, obeyed(fleet, last.desired())
        now = last.desired()["spot-a"] + last.desired()["spot-b"]
        if minute < MINUTES + 2 * warm_up_minutes - 2:
            assert now == spot
    assert now < spot / 2


@pytest.mark.parametrize("idle_minutes", [0, 2])
def test_a_rush_that_a_new_planner_begins_with_is_given_back_as_any_other(idle_minutes: int) -> None:
    state, fleet = None, pools(a=1)
    for minute in range(idle_minutes + 15 + 30):
        rush = idle_minutes <= minute < idle_minutes + 15
        last = plan(seen(minute, 8.0 if rush else 0.0, fleet), state, LIMITS)
        state, fleet = last.state, obeyed(fleet, last.desired())
        assert total(last.desired()) >= 8 or not rush or minute == 0
    assert total(last.desired()) == 0


def test_from_zero_the_first_request_wakes_one() -> None:
    state = None
    for minute in range(30):
        last = plan(seen(minute, 0.0, pools()), state, LIMITS)
        state = last.state
        assert total(last.desired()) == 0
    last = plan(seen(30, 0.001, pools(), backlog_tokens=0.06), state, LIMITS)
    assert total(last.desired()) == 1


def test_nothing_is_given_up_while_metrics_are_missing() -> None:
    state, fleet, _ = settled(12.0)
    for minute in range(MINUTES, MINUTES + 60):
        last = plan(seen(minute, None, fleet), state, LIMITS)
        state = last.state
        assert all(last.desired()[pool.name] >= pool.owned for pool in fleet)


def test_figures_that_come_again_while_newer_ones_are_late_are_planned_with_and_learned_once() -> None:
    state, fleet, _ = settled(10.0)
    begin = int(START // 60) + MINUTES
    for late_by in (1, 2, 3):  # the same minute, in three plans
        minute = MINUTES + late_by - 1
        last = plan(seen(minute, 30.0, fleet, late=50.0, figures_minute=begin - 1), state, LIMITS)
        state, fleet = last.state, obeyed(fleet, last.desired())
    assert 45 < state.steering.late <= 50
    assert total(last.desired()) > 25  # planned for what was asked last
    learned = plan(seen(MINUTES, 30.0, settled(10.0)[1], late=50.0), settled(10.0)[0], LIMITS).state
    assert as_json(state)["forecast"] == as_json(learned)["forecast"]
    newer = plan(seen(MINUTES + 3, 30.0, fleet, late=50.0, figures_minute=begin), state, LIMITS).state
    assert newer.steering.late > 95


def test_a_minute_that_never_came_whole_is_taken_to_be_as_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot of the day that ends with it would else never end, and run into the next one."""
    state, fleet, _ = settled(10.0)
    newest, told, observe = state.figures_minute, list[int](), Forecast.observe

    def noted(forecast: Forecast, minute: int, rate: float, horizon_minutes: int) -> None:
        told.append(minute)
        observe(forecast, minute, rate, horizon_minutes)

    monkeypatch.setattr(Forecast, "observe", noted)
    state = plan(seen(MINUTES + 1, 30.0, fleet, figures_minute=newest + 2), state, LIMITS).state
    plan(seen(MINUTES + 60, 30.0, fleet, figures_minute=newest + 61), state, LIMITS)  # an hour later: nothing is known
    assert told == [newest + 1, newest + 2, newest + 61]


def test_a_minute_that_was_planned_already_gets_the_same_targets() -> None:
    state, fleet, last = settled(10.0)
    again = plan(seen(MINUTES - 1, 1000.0, fleet), state, LIMITS)
    assert again.desired() == last.desired()
    assert again.state is state


def test_three_launches_that_never_became_ready_stop_further_ones() -> None:
    state, fleet, _ = settled(4.0)
    broken = tuple(replace(p, combination="template 7, version 2") if p.spot else p for p in fleet)
    failed = tuple(WarmUp(600.0, False, failed=True, combination="template 7, version 2") for _ in range(3))
    last = plan(seen(MINUTES, 20.0, broken, warm_ups=failed), state, LIMITS)
    assert all(last.desired()[p.name] <= p.owned for p in broken if p.spot)
    assert last.desired()["on-demand"] > 0  # what is whole takes over
    assert len([text for text in last.refusals if "never became ready" in text]) == 2


def test_the_horizon_is_the_warm_up_of_what_the_groups_launch_now_also_after_the_state_was_written() -> None:
    state, fleet, _ = settled(4.0)
    for minute, version in enumerate(("v1", "v2"), MINUTES):
        took = tuple(WarmUp({"v1": 300.0, "v2": 900.0}[version], True, combination=version) for _ in range(20))
        fleet = tuple(replace(pool, combination=version) for pool in fleet)
        last = plan(seen(minute, 4.0, fleet, warm_ups=took), state, LIMITS)
        state = from_json(json.loads(json.dumps(as_json(last.state))))
    assert last.expected.horizon_seconds == 900.0
    assert plan(seen(MINUTES + 2, 4.0, fleet), state, LIMITS).expected.horizon_seconds == 900.0
    back = tuple(replace(pool, combination="v1") for pool in fleet)
    assert plan(seen(MINUTES + 2, 4.0, back), state, LIMITS).expected.horizon_seconds == 300.0


def test_launches_that_a_reclaim_cut_short_are_no_failures() -> None:
    state, fleet, _ = settled(4.0)
    cut = tuple(WarmUp(100.0, False) for _ in range(9))
    assert plan(seen(MINUTES, 20.0, fleet, warm_ups=cut), state, LIMITS).refusals == ()


def test_the_hourly_limit_refuses_purchases_and_says_so() -> None:
    state, fleet, before = settled(5.0)
    cost = before.desired()["on-demand"] * ON_DEMAND_USD + (total(before.desired())) * SPOT_USD
    limits = Limits(LIMITS.most_replicas, max_hourly_usd=cost + 1.0)
    last = plan(seen(MINUTES, 30.0, fleet), state, limits)
    spent = sum(pool.usd_per_hour * last.desired()[pool.name] for pool in fleet)
    assert spent <= cost + 1.0
    assert "max_hourly_usd" in last.refusals[0]


def test_the_base_of_on_demand_is_always_there() -> None:
    _, _, last = settled(1.0, limits=Limits(LIMITS.most_replicas, base_on_demand=3))
    assert last.desired()["on-demand"] == 3


def test_a_rebalance_recommendation_raises_what_is_bought() -> None:
    state, fleet, before = settled(10.0)
    at_risk = tuple(replace(p, at_risk=p.ready) if p.name == "spot-a" else p for p in fleet)
    last = plan(seen(MINUTES, 10.0, at_risk), state, LIMITS)
    assert total(last.desired()) > total(before.desired())


@pytest.mark.parametrize("late_share", [0.0, 0.05])
def test_epsilon_follows_the_measured_late_share(late_share: float) -> None:
    state, fleet, last = settled(10.0, minutes=30)
    before = last.expected.epsilon
    for minute in range(30, 30 + 1440):
        last = plan(seen(minute, 10.0, fleet, late=600.0 * late_share), state, LIMITS)
        state = last.state
    assert last.expected.epsilon < before if late_share else last.expected.epsilon > before


def test_a_warming_replica_is_expected_by_its_chance_to_be_ready_in_time() -> None:
    state, _, _ = settled(10.0)

    def ready(age_seconds: float) -> float:
        fleet = tuple(replace(p, warming_ages_seconds=(age_seconds,) * 10) if not p.spot else p for p in pools())
        return plan(seen(MINUTES, 10.0, fleet), state, LIMITS).expected.ready_replicas

    assert 2 < ready(0.0) < ready(200.0) <= 10
