"""How long the planner thinks about a large fleet, how large its package is, how fast the simulator is: `make bench`.

Fifty pools (49 zones of spot, one group on-demand) with 2,000 replicas, in the situations that cost most. A figure is
the fastest of some tries of one plan: what a function with a whole core to itself needs. The simulated load is a wave
that keeps twelve replicas busy.
"""

import random
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from infra.planner.model import Limits, Observation, Pool
from infra.planner.plan import plan
from infra.planner.state import State
from scripts import planner_zip
from scripts.simulator.policies import OURS, POLICIES
from scripts.simulator.scene import REQUESTS_PER_REPLICA_SECOND, Scene
from scripts.simulator.supplies import Supply
from scripts.simulator.traces import Series
from scripts.simulator.world import FLUID, REQUEST, simulate
from tests.benchmarks.figures import Figure, report

ROOT = Path(__file__).resolve().parents[2]
ZONES, REPLICAS = 49, 2000
START_UNIX_SECONDS = 1_700_000_040.0
EVENTS, MINUTES_APART = 24, 15
TRIES = 7
PLAN_MS, PACKAGE_KB = 10.0, 200.0
ANCHOR_SECONDS, OURS_SECONDS, REQUEST_US = 2.0, 60.0, 1.0


def fleet(warming_share: float = 0.1) -> tuple[Pool, ...]:
    """Zones of different prices, of equal size; so many of the replicas warm up, each launched at another time."""
    chance = random.Random(1)
    each = REPLICAS // (ZONES + 1)
    warming = round(each * warming_share)
    zones = [
        Pool(
            f"spot-{i:02d}",
            True,
            round(chance.uniform(0.35, 0.6), 3),
            each,
            each - warming,
            tuple(chance.uniform(0, 400) for _ in range(warming)),
        )
        for i in range(ZONES)
    ]
    return (*zones, Pool("on-demand", False, 1.0, each, each))


def seen(minute: int, pools: tuple[Pool, ...], replicas: float) -> Observation:
    at = START_UNIX_SECONDS + 60 * minute
    return Observation(at, pools, 1.0, replicas, answered=60 * replicas, late=0.3 * replicas)


def remembered(pools: tuple[Pool, ...], struck: int) -> State:
    """After hours of a demand that changes, and of reclaims that took something of so many zones at a time."""
    chance = random.Random(2)
    limits = Limits(dict.fromkeys((pool.name for pool in pools), 400))
    state: State | None = None
    for minute in range(EVENTS * MINUTES_APART):
        hit = set(chance.sample(range(ZONES), struck)) if minute % MINUTES_APART == 0 else set()
        now = tuple(replace(one, noticed=chance.randint(1, 20)) if i in hit else one for i, one in enumerate(pools))
        state = plan(seen(minute, now, 1500 * chance.uniform(0.9, 1.2)), state, limits).state
    assert state is not None
    return state


def fastest_ms(pools: tuple[Pool, ...], state: State) -> float:
    limits = Limits(dict.fromkeys((pool.name for pool in pools), 400))
    for minute in range(state.minute + 1, state.minute + 4):  # a zone is short once it was for some minutes
        state = plan(_after(minute, pools), state, limits).state
    took = []
    for _ in range(TRIES):
        began = time.process_time()
        plan(_after(state.minute + 1, pools), state, limits)
        took.append(time.process_time() - began)
    return 1000 * min(took)


def _after(minute: int, pools: tuple[Pool, ...]) -> Observation:
    return replace(seen(0, pools, 1700.0), at_seconds=60.0 * minute)


def situations() -> Iterator[tuple[str, tuple[Pool, ...], State]]:
    usual = fleet()
    state = remembered(usual, 5)
    yield "reclaims of a few zones, all calm now", usual, state
    dry = tuple(replace(one, desired=one.owned + 10) if i < 8 else one for i, one in enumerate(usual))
    yield "eight zones give nothing, on-demand in use", dry, state
    yield "every reclaim struck every zone", dry, remembered(usual, ZONES)
    yield "every replica of spot warms up", fleet(1.0), state
    yield "nothing learned yet", usual, State(minute=state.minute)


def two_weeks(days: float = 14.0) -> Scene:
    minutes = int(days * 1440)
    wave = Series("wave", 60.0, 1.0 + 0.5 * np.sin(np.arange(minutes) * 2 * np.pi / 1440))
    calm, restless = np.full(minutes, 8.0), np.resize(np.repeat([16.0, 3.0], (700, 100)), minutes)
    supplies = tuple(Supply(Series(f"zone-{i}", 60.0, zone), "region") for i, zone in enumerate((calm, restless)))
    return Scene(wave, supplies, skipped_days=0.0)


def seconds_of(scene: Scene, policy: str, level: str) -> tuple[float, float]:
    """Seconds of one run, and requests that it simulated."""
    began = time.process_time()
    run = simulate(scene, POLICIES[policy], level=level)
    return time.process_time() - began, run.offered * REQUESTS_PER_REPLICA_SECOND


def simulations() -> Iterator[Figure]:
    yield Figure("14 days fluid, SpotHedge", seconds_of(two_weeks(), "spothedge", FLUID)[0], ANCHOR_SECONDS, "s")
    yield Figure("14 days fluid, the planner with 3 pools", seconds_of(two_weeks(), OURS, FLUID)[0], OURS_SECONDS, "s")
    seconds, requests = seconds_of(two_weeks(1.0), "spothedge", REQUEST)
    yield Figure("a request at the request level", 1e6 * seconds / requests, REQUEST_US, "us")


def measured() -> Iterator[Figure]:
    yield from simulations()
    for what, pools, state in situations():
        yield Figure(f"plan, {what}", fastest_ms(pools, state), PLAN_MS, "ms")
    yield Figure("package of the planner's function", len(planner_zip.content(ROOT)) / 1000, PACKAGE_KB, "KB")


if __name__ == "__main__":
    sys.exit(report(measured()))
