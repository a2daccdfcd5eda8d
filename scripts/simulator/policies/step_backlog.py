"""Step scaling on waiting work per instance, on a group that is half on-demand.

Source: docs.aws.amazon.com/autoscaling/ec2/userguide/as-using-sqs-queue.html (backlog per instance, acceptable =
latency by time per message) and as-scaling-simple-step.html (one datapoint, steps in percent, estimated instance
warm-up).
"""

from dataclasses import dataclass

from infra.planner.model import Limits, Observation, Plan
from scripts.simulator.policies.groups import mixed, offered_replicas

STEPS = ((4.0, 1.0), (2.0, 0.5), (1.0, 0.2))  # times the acceptable backlog -> share added
IDLE_MINUTES, IDLE_SHARE, IDLE_STEP = 15, 0.6, 0.1


@dataclass(frozen=True)
class StepBacklog:
    """`acceptable_seconds` of work may wait before each instance."""

    acceptable_seconds: float = 5.0
    on_demand_share: float = 0.5

    def __call__(self, seen: Observation, state: tuple[int, int] | None, limits: Limits) -> Plan:
        total, idle = state or (sum(pool.owned for pool in seen.pools), 0)
        ready = max(sum(pool.ready for pool in seen.pools), 1)
        waiting = seen.backlog_tokens / seen.replica_tokens_per_second / ready / self.acceptable_seconds
        work = offered_replicas(seen.offered_tokens_per_second, seen.replica_tokens_per_second)
        idle = idle + 1 if not waiting and work < IDLE_SHARE * ready else 0
        added = next((share for times, share in STEPS if waiting > times), 0.0)
        if added:  # warming instances count toward the step, so that one alarm is answered once
            total = max(total, ready + max(1, int(ready * added)))
        elif idle >= IDLE_MINUTES:
            total, idle = max(1, total - max(1, int(total * IDLE_STEP))), 0
        return mixed(seen.pools, total, self.on_demand_share, limits, (total, idle))
