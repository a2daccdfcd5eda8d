"""The request level: every request begins when it should, and the whole agrees with the fluid."""

import heapq

import numpy as np
import pytest

from infra.planner.model import Limits, Observation, Plan, Promise, Target
from scripts.simulator.policies import POLICIES
from scripts.simulator.request_queue import PREFILL_TOKENS_PER_SECOND, SLOTS, begin
from scripts.simulator.scene import REQUESTS_PER_REPLICA_SECOND, Scene
from scripts.simulator.score import Score, score
from scripts.simulator.supplies import Supply
from scripts.simulator.traces import Floats, Series, Sizes
from scripts.simulator.world import FLUID, REQUEST, simulate

MOST_SLO_APART, MOST_COST_APART = 0.01, 0.03  # stated in docs/scaling.md


def scene(wait_seconds: float = 20.0, sizes: Sizes | None = None) -> Scene:
    """Four hours of a wave on two zones, the larger of which gives nothing for half an hour."""
    minutes = 240
    wave = Series("wave", 60.0, 1.0 + 0.5 * np.sin(np.arange(minutes) * 2 * np.pi / minutes), sizes=sizes)
    large = np.full(minutes, 8.0)
    large[120:150] = 0.0
    zones = (large, np.full(minutes, 4.0))
    supplies = tuple(Supply(Series(f"zone-{i}", 60.0, zone), "region") for i, zone in enumerate(zones))
    return Scene(wave, supplies, 6.0, promise=Promise(wait_seconds, 0.99), skipped_days=0.0)


def played(policy: object, level: str, wait_seconds: float = 20.0, sizes: Sizes | None = None) -> Score:
    return score("", simulate(scene(wait_seconds, sizes), policy, level=level), 1.0)  # type: ignore[arg-type]


def on_demand(count: int) -> object:
    def policy(seen: Observation, state: object, limits: Limits) -> Plan:
        return Plan(tuple(Target(p.name, 0 if p.spot else count, "") for p in seen.pools), state)

    return policy


def one_by_one(arrived: Floats, held: Floats, free: Floats, until: float) -> Floats:
    """The same by a heap of slots: each request in turn takes the one that is free first."""
    slots = sorted(free)
    begun = []
    for at, seconds in zip(arrived, held, strict=True):
        start = max(at, slots[0])
        if start >= until:
            break
        heapq.heapreplace(slots, start + seconds)
        begun.append(start)
    return np.array(begun)


@pytest.mark.parametrize(
    ("requests", "slots", "load"), [(600, 384, 0.5), (600, 384, 1.3), (50, 3, 1.0), (900, 9000, 1.0)]
)
def test_requests_begin_as_a_queue_with_slots_lets_them(requests: int, slots: int, load: float) -> None:
    chance = np.random.default_rng(requests)
    for _ in range(10):
        arrived = np.sort(chance.random(requests)) * 10
        held = chance.lognormal(0.0, 1.2, requests) * 3.0 * load  # many short ones: slots are taken twice in a step
        free = chance.random(slots) * 8
        expected = one_by_one(arrived, held, free, 10.0)
        assert list(begin(arrived, held, free, 10.0)) == list(expected)


def test_nothing_begins_without_a_slot() -> None:
    assert list(begin(np.array([1.0]), np.array([1.0]), np.empty(0), 10.0)) == []


@pytest.mark.parametrize(
    ("policy", "wait_seconds"), [("spothedge", 20.0), ("spothedge", 2.0), ("half-step-backlog", 20.0)]
)
def test_both_levels_agree_on_the_same_trace(policy: str, wait_seconds: float) -> None:
    fluid, requests = (played(POLICIES[policy], level, wait_seconds) for level in (FLUID, REQUEST))
    assert requests.slo < 0.99  # some waited: there is something to agree on
    assert abs(requests.slo - fluid.slo) <= MOST_SLO_APART
    assert requests.usd == pytest.approx(fluid.usd, rel=MOST_COST_APART)


def test_every_request_is_answered_or_dropped_or_still_waits() -> None:
    short = simulate(scene(), on_demand(4), level=REQUEST)  # type: ignore[arg-type]
    assert short.dropped > 0
    assert short.served + short.dropped == pytest.approx(short.offered, rel=0.02)
    assert sum(short.waits.values()) == pytest.approx(short.served)
    assert sum(short.first_tokens.values()) == pytest.approx(short.served)


def test_the_first_token_comes_after_the_wait_and_the_prompt() -> None:
    sizes = Sizes(np.array([4000.0, 400.0]), np.array([100.0, 100.0]))
    idle = played(on_demand(40), REQUEST, sizes=sizes)
    assert idle.wait_p99_seconds == 0.0
    assert idle.first_token_p99_seconds == pytest.approx(4000 / PREFILL_TOKENS_PER_SECOND)
    assert played(on_demand(40), FLUID, sizes=sizes).first_token_p99_seconds is None
    missed = played(on_demand(40), REQUEST, wait_seconds=0.5, sizes=sizes)
    assert missed.slo == pytest.approx(0.5, abs=0.02)  # the long prompts are late, though nobody waited


def test_a_replica_answers_as_many_requests_as_in_the_fluid_mode() -> None:
    run = simulate(scene(), on_demand(2), level=REQUEST)  # type: ignore[arg-type]
    minutes = [minute for minute in run.minutes if minute.ready[-1] == 2]
    seconds = 60 * len(minutes)
    assert run.served * REQUESTS_PER_REPLICA_SECOND == pytest.approx(
        2 * REQUESTS_PER_REPLICA_SECOND * seconds, rel=0.05
    )
    assert SLOTS > 1
