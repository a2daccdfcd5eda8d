"""The simulated fleet obeys the rules of AWS and its own bookkeeping: nothing is served twice, nothing is free."""

import random

import numpy as np
import pytest

from infra.planner.model import Limits, Observation, Plan, Promise, Target
from scripts.simulator.bound import clairvoyant_usd
from scripts.simulator.groups import DRAIN_SECONDS, NOTICE_SECONDS, Group
from scripts.simulator.policies import POLICIES
from scripts.simulator.scene import Scene
from scripts.simulator.score import score, static_fleet_replicas, static_usd
from scripts.simulator.supplies import Supply
from scripts.simulator.traces import Series
from scripts.simulator.world import simulate

DAY = 86_400


def scene(supply: list[float] | None = None, days: float = 1.0, promise: Promise | None = None) -> Scene:
    minutes = int(days * 1440)
    wave = 1.0 + 0.5 * np.sin(np.arange(minutes) * 2 * np.pi / 720)
    zones = [np.resize(np.array(supply or [16.0]), minutes), np.full(minutes, 8.0)]
    supplies = tuple(Supply(Series(f"zone-{i}", 60.0, zone), "region") for i, zone in enumerate(zones))
    return Scene(Series("wave", 60.0, wave), supplies, 8.0, promise=promise or Promise(), skipped_days=0.0)


def group(supply: list[int] | None, desired: int) -> Group:
    return Group("spot-z", True, 1.0, supply, random.Random(1), 300.0, desired=desired)


def fixed(**counts: int) -> object:
    def policy(seen: Observation, state: object, limits: Limits) -> Plan:
        return Plan(tuple(Target(p.name, counts.get(p.name.replace("-", "_"), 0), "") for p in seen.pools), state)

    return policy


def test_a_launch_takes_its_warm_up_and_is_billed_from_the_start() -> None:
    one = group([5] * 100, 3)
    for step in range(60):
        one.step(step * 10.0, step, 10.0)
    assert one.ready == 3
    assert one.billed_seconds == 3 * 600
    assert 0 < one.warming_seconds < one.billed_seconds
    assert all(100 < ended.seconds < 600 and ended.became_ready for ended in one.take_warm_ups())


def test_a_reclaim_gives_notice_and_is_billed_until_the_end() -> None:
    one = group([5] * 60 + [1] * 60, 4)
    for step in range(60):
        one.step(step * 10.0, step, 10.0)
    one.observed(600.0)
    billed = one.billed_seconds
    for step in range(60, 61 + int(NOTICE_SECONDS / 10)):
        one.step(step * 10.0, step, 10.0)
        assert one.ready == 1  # a node under notice takes no new work
    assert one.observed(720.0).noticed == 3
    steps = 1 + NOTICE_SECONDS / 10
    assert one.billed_seconds - billed == pytest.approx(10 * steps + 3 * NOTICE_SECONDS)


def test_scale_in_drains_what_is_ready_and_cancels_what_is_not() -> None:
    one = group(None, 2)
    for step in range(60):
        one.step(step * 10.0, step, 10.0)
    one.desired = 3
    one.step(600.0, 60, 10.0)
    one.desired = 1
    billed = one.billed_seconds
    for step in range(61, 80):
        one.step(step * 10.0, step, 10.0)
    assert one.ready == 1
    assert one.billed_seconds - billed == 19 * 10 + DRAIN_SECONDS
    assert [ended.became_ready for ended in one.take_warm_ups()].count(False) == 1


def test_all_work_is_served_or_dropped_or_still_waits() -> None:
    run = simulate(scene(), fixed(on_demand=6))  # type: ignore[arg-type]
    assert run.served + run.dropped == pytest.approx(run.offered, rel=0.01)
    assert run.dropped > 0
    assert sum(run.waits.values()) == pytest.approx(run.served)


def test_a_fleet_that_is_large_enough_lets_nobody_wait() -> None:
    run = simulate(scene(), fixed(on_demand=40))  # type: ignore[arg-type]
    assert run.late == 0


def test_the_same_scene_gives_the_same_run() -> None:
    one, other = (simulate(scene(days=0.5), POLICIES["spothedge"]) for _ in range(2))
    assert (one.usd, one.late, one.launches) == (other.usd, other.late, other.launches)


def test_the_static_fleet_is_the_smallest_that_keeps_the_promise() -> None:
    small = scene(promise=Promise(20.0, 0.99))
    replicas = static_fleet_replicas(small)
    kept = simulate(small, fixed(on_demand=replicas))  # type: ignore[arg-type]
    missed = simulate(small, fixed(on_demand=replicas - 2))  # type: ignore[arg-type]
    assert 1 - kept.late / kept.offered >= 0.985  # its first replicas warm up, those of the static fleet are there
    assert 1 - missed.late / missed.offered < 0.99


@pytest.mark.parametrize("policy", ["warmfleet", "half-target-tracking", "spothedge", "on-demand-target-tracking"])
def test_no_policy_that_keeps_the_promise_is_cheaper_than_the_bound(policy: str) -> None:
    one = scene([16.0] * 300 + [0.0] * 60, days=2.0)
    static = static_usd(one, static_fleet_replicas(one))
    found = score(policy, simulate(one, POLICIES[policy]), static)
    if found.slo >= one.promise.share:
        assert found.cost >= clairvoyant_usd(one) / static


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_every_policy_answers_for_every_pool_within_its_limits(policy: str) -> None:
    one = scene([16.0] * 100 + [3.0] * 50, days=0.25)
    seen: list[tuple[Plan, Limits, Observation]] = []

    def watched(observation: Observation, state: object, limits: Limits) -> Plan:
        plan = POLICIES[policy](observation, state, limits)
        seen.append((plan, limits, observation))
        return plan

    simulate(one, watched)
    for plan, limits, observation in seen:
        assert plan.desired().keys() == {pool.name for pool in observation.pools}
        assert all(0 <= count <= limits.most_replicas[name] for name, count in plan.desired().items())
