"""Knative's pod autoscaler (KServe's default), on nodes that are half on-demand.

Source: knative.dev/docs/serving/autoscaling/kpa-specific and autoscaling-targets (pods = mean concurrency of the stable
window, 60 s, by 70 % of what a container takes; panic at twice what the ready pods can do, without scale-in until 60 s
after the last such moment). The panic window is 6 s there; figures are a minute old here, so a panic is seen by
the minute. A node goes with its pod, at once. A replica at work is taken to hold five requests, as for KEDA.
"""

from dataclasses import dataclass

from infra.planner.model import Limits, Observation, Plan
from scripts.simulator.policies.groups import mixed, ongoing_requests

CONTAINER_CONCURRENCY = 5.0
PANIC_AT = 2.0
STABLE_MINUTES = 1


@dataclass(frozen=True)
class KnativeKpa:
    """`utilization` is the target share of what a container takes (target-utilization-percentage)."""

    utilization: float = 0.7
    on_demand_share: float = 0.5

    def __call__(self, seen: Observation, state: tuple[int, int] | None, limits: Limits) -> Plan:
        total, panic = state or (sum(pool.owned for pool in seen.pools), 0)
        ready = max(sum(pool.ready for pool in seen.pools), 1)
        concurrency = ongoing_requests(seen, CONTAINER_CONCURRENCY)
        wish = max(1, -int(-concurrency / (CONTAINER_CONCURRENCY * self.utilization) // 1))
        panic = STABLE_MINUTES + 1 if wish >= PANIC_AT * ready else max(panic - 1, 0)
        total = max(total, wish) if panic else wish
        return mixed(seen.pools, total, self.on_demand_share, limits, (total, panic))
