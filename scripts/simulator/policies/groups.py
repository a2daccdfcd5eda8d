"""How a mixed-instances group divides a capacity over on-demand and over zones: what the anchors leave to AWS."""

from collections.abc import Sequence

from infra.planner.model import Limits, Observation, Plan, Pool, Target
from scripts.simulator.scene import REQUESTS_PER_REPLICA_SECOND


def offered_replicas(offered: float | None, replica_rate: float) -> float:
    return (offered or 0.0) / replica_rate


def ongoing_requests(seen: Observation, per_busy_replica: float) -> float:
    """Requests that are being answered, so many on each replica at work, and those that wait."""
    ready = max(sum(pool.ready for pool in seen.pools), 1)
    busy = min(offered_replicas(seen.offered_tokens_per_second, seen.replica_tokens_per_second), ready)
    waiting = seen.backlog_tokens / seen.replica_tokens_per_second * REQUESTS_PER_REPLICA_SECOND
    return busy * per_busy_replica + waiting


def spread(
    pools: Sequence[Pool], total: int, most: dict[str, int], open_zones: Sequence[str] | None = None
) -> dict[str, int]:
    """Keep what there is; add to the emptiest open zone, take from the fullest. A zone that gives nothing is asked
    for one more.

    As a group does whose AZRebalance process is suspended: nothing is moved to balance zones.
    """
    asked = {pool.name: pool.owned for pool in pools}
    room = {p.name: min(most[p.name], p.owned + 1 if p.desired > p.owned else most[p.name]) for p in pools}
    for _ in range(sum(asked.values()) - total):
        asked[max(asked, key=lambda name: asked[name])] -= 1
    for _ in range(total - sum(asked.values())):
        zones = [name for name in asked if asked[name] < room[name] and (open_zones is None or name in open_zones)]
        if not zones:
            break
        asked[min(zones, key=lambda name: asked[name])] += 1
    return asked


def mixed(pools: Sequence[Pool], total: int, on_demand_share: float, limits: Limits, state: object) -> Plan:
    """One desired capacity, of which `on_demand_share` is on-demand, rounded up as EC2 Auto Scaling does."""
    on_demand = [pool for pool in pools if not pool.spot]
    count = -int(-total * on_demand_share // 1)
    wanted = spread([pool for pool in pools if pool.spot], total - count, limits.most_replicas)
    for pool in on_demand:
        wanted[pool.name] = min(count, limits.most_replicas[pool.name])
    return Plan(tuple(Target(pool.name, wanted[pool.name], "anchor") for pool in pools), state)
