"""KEDA's SQS scaler behind a horizontal pod autoscaler, on nodes that are half on-demand.

Source: keda.sh/docs/scalers/aws-sqs (replicas = (visible + in flight) by queueLength, default 5) and Kubernetes' HPA
defaults (no growth above the double or four pods in 15 s; scale-in after the highest wish of 300 s).
A replica at work is taken to hold five messages in flight: what the default says of it.
"""

from dataclasses import dataclass

from infra.planner.model import Limits, Observation, Plan
from scripts.simulator.policies.groups import mixed, offered_replicas

QUEUE_LENGTH = 5.0
STABLE_MINUTES = 5


@dataclass(frozen=True)
class KedaSqs:
    on_demand_share: float = 0.5
    messages_per_replica_second: float = 5.0

    def __call__(self, seen: Observation, state: tuple[int, tuple[int, ...]] | None, limits: Limits) -> Plan:
        total, wishes = state or (sum(pool.owned for pool in seen.pools), ())
        ready = max(sum(pool.ready for pool in seen.pools), 1)
        busy = min(offered_replicas(seen.offered_tokens_per_second, seen.replica_tokens_per_second), ready)
        visible = seen.backlog_tokens / seen.replica_tokens_per_second * self.messages_per_replica_second
        wish = max(1, -int(-(visible / QUEUE_LENGTH + busy) // 1))
        wishes = (*wishes[-STABLE_MINUTES + 1 :], wish)
        total = min(max(wishes), max(2 * total, total + 4))
        return mixed(seen.pools, total, self.on_demand_share, limits, (total, wishes))
