"""The parts of the planner by themselves: warm-up times, forecasts, losses."""

import random

import pytest

from infra.planner.forecast import Forecast
from infra.planner.losses import Losses
from infra.planner.model import Pool, WarmUp
from infra.planner.warm_up import PRIOR_COUNTS_UNTIL, WarmUpTimes


def test_a_launch_cut_short_says_only_that_warming_took_longer() -> None:
    took = [WarmUp(float(seconds), True) for seconds in range(200, 400, 10)]
    cut = [WarmUp(250.0, False)] * 20
    plain, censored = WarmUpTimes().learned(took), WarmUpTimes().learned([*took, *cut])
    assert censored.quantile(0.5) > plain.quantile(0.5)
    assert censored.quantile(0.5) < 400  # as failures of 250 s they would have made it shorter


def test_the_prior_speaks_until_there_are_enough_launches() -> None:
    few = WarmUpTimes().learned([WarmUp(30.0, True)] * (PRIOR_COUNTS_UNTIL - 1))
    enough = few.learned([WarmUp(30.0, True)])
    assert few.quantile(0.9) > 200
    assert enough.quantile(0.99) == 30.0


def test_launches_of_another_version_speak_until_enough_of_the_present_one_were_measured() -> None:
    before = WarmUpTimes().learned([WarmUp(300.0, True, combination="v1")] * 150, {"v1"})
    few = before.learned([WarmUp(900.0, True, combination="v2")] * (PRIOR_COUNTS_UNTIL - 1), {"v2"})
    enough = few.learned([WarmUp(900.0, True, combination="v2")], {"v2"})
    assert (few.quantile(0.5), enough.quantile(0.5)) == (300.0, 900.0)
    assert enough.learned([], {"v1"}).quantile(0.5) == 300.0  # the rollout is set back
    assert enough.learned([], {"v1", "v2"}).quantile(0.5) == 300.0  # groups that launch either


def test_a_warming_replica_is_ready_the_more_likely_the_older_it_is() -> None:
    times = WarmUpTimes().learned([WarmUp(float(seconds), True) for seconds in range(200, 400, 5)])
    chances = [times.ready_chance(age, 60.0) for age in (0.0, 150.0, 250.0, 350.0)]
    assert chances == sorted(chances)
    assert chances[0] == 0.0


def demand_after(days: int, rate_at: object, now: int) -> tuple[float, float]:
    forecast = Forecast()
    for minute in range(days * 1440 + now):
        forecast.observe(minute, rate_at(minute), 6)  # type: ignore[operator]
    demand = forecast.demand(days * 1440 + now - 1, 6, 1.0)
    return demand.mean(), demand.quantile(0.95)


def test_a_rise_that_comes_every_day_is_expected() -> None:
    def rate(minute: int) -> float:
        return 5.0 + 20.0 * min(max((minute % 1440 - 540) / 60, 0.0), 1.0)  # from 5 to 25 between nine and ten

    mean, _ = demand_after(4, rate, 566)
    assert mean > 1.08 * rate(565)
    first_day, _ = demand_after(0, rate, 566)
    assert first_day < rate(565)


def test_the_spread_of_a_forecast_is_that_of_its_errors() -> None:
    chance = random.Random(1)
    calm = demand_after(1, lambda minute: 10.0, 100)
    restless = demand_after(1, lambda minute: 10.0 * chance.lognormvariate(0.0, 0.3), 100)
    assert calm[1] < 11
    assert restless[1] > 13


def spot(name: str, ready: int, noticed: int = 0) -> Pool:
    return Pool(name, True, 0.41, ready, ready, noticed=noticed)


def test_what_was_lost_together_is_expected_to_be_lost_together() -> None:
    losses = Losses()
    losses.observe(0, [spot("a", 10), spot("b", 10), spot("c", 10)], set())
    losses.observe(600, [spot("a", 2, 8), spot("b", 3, 7), spot("c", 10)], set())
    struck = losses.scenarios(601, [spot("a", 10), spot("b", 10), spot("c", 10)], 0.1)[1:]
    both = [one for one in struck if one.of("a") < 0.5 and one.of("b") < 0.5 and one.of("c") == 1.0]
    assert sum(one.chance for one in both) > 0.05


def test_the_chances_of_all_scenarios_add_up() -> None:
    losses = Losses()
    fleet = [spot("a", 10), spot("b", 10)]
    for minute in range(0, 3000, 50):
        losses.observe(minute, [spot("a", 9, 1), spot("b", 8, 2 if minute % 100 else 0)], set())
        assert sum(one.chance for one in losses.scenarios(minute, fleet, 0.1)) == pytest.approx(1.0)


def test_a_pool_that_was_calm_for_long_is_safer() -> None:
    losses = Losses()
    for minute in range(2 * 1440):
        losses.observe(minute, [spot("a", 10)], set())
    calm = losses.per_hour("a", 2 * 1440)
    losses.observe(2 * 1440, [spot("a", 5, 5)], set())
    assert losses.per_hour("a", 2 * 1440 + 1) > 5 * calm


def test_a_zone_that_refuses_launches_counts_as_restless() -> None:
    losses = Losses()
    for minute in range(1440):
        losses.observe(minute, [spot("a", 10)], set())
    calm = losses.per_hour("a", 1440)
    losses.observe(1440, [spot("a", 10)], {"a"})
    assert losses.per_hour("a", 1441) > 5 * calm
