"""EC2 target tracking on work per instance in service: three minutes above the target scale out, fifteen below scale
in.

Source: docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html (instances that warm up do not
count; a fast scale-out, a gradual scale-in). How gradual AWS does not say: here a tenth a minute at most.
"""

from dataclasses import dataclass

from infra.planner.model import Limits, Observation, Plan
from scripts.simulator.policies.groups import mixed, offered_replicas

OUT_MINUTES, IN_MINUTES = 3, 15
IN_MARGIN = 0.9  # the low alarm stands a tenth below the target
LARGEST_STEP_IN = 0.1


@dataclass(frozen=True)
class TargetTracking:
    """`load` is the target: work offered per instance in service, as a share of what one can do."""

    load: float = 0.7
    on_demand_share: float = 0.5

    def __call__(self, seen: Observation, state: tuple[int, int, int] | None, limits: Limits) -> Plan:
        total, high, low = state or (sum(pool.owned for pool in seen.pools), 0, 0)
        total, high, low = self.tracked(seen, total, high, low)
        return mixed(seen.pools, total, self.on_demand_share, limits, (total, high, low))

    def tracked(self, seen: Observation, total: int, high: int, low: int) -> tuple[int, int, int]:
        ready = max(sum(pool.ready for pool in seen.pools), 1)
        work = offered_replicas(seen.offered_tokens_per_second, seen.replica_tokens_per_second)
        work += seen.backlog_tokens / seen.replica_tokens_per_second / 60
        load = work / ready
        high = high + 1 if load > self.load else 0
        low = low + 1 if load < self.load * IN_MARGIN else 0
        needed = max(1, -int(-work / self.load // 1))
        if high >= OUT_MINUTES and needed > total:
            return needed, 0, 0
        if low >= IN_MINUTES and needed < total:
            return max(needed, total - max(1, int(total * LARGEST_STEP_IN))), high, low
        return total, high, low
