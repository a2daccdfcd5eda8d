"""Ray Serve's autoscaler, on nodes that are half on-demand.

Source: docs.ray.io/en/latest/serve/advanced-guides/advanced-autoscaling.html (two ongoing requests wanted per replica
of the five that it takes, mean of the last 30 s; a higher wish counts after 30 s, a lower one after 600 s). A node goes
with its replica, at once.
"""

from dataclasses import dataclass

from infra.planner.model import Limits, Observation, Plan
from scripts.simulator.policies.groups import mixed, ongoing_requests

MAX_ONGOING_REQUESTS = 5.0
DOWN_MINUTES = 10  # upwards 30 s: within the minute of the figures


@dataclass(frozen=True)
class RayServe:
    target_ongoing_requests: float = 2.0
    on_demand_share: float = 0.5

    def __call__(self, seen: Observation, state: tuple[int, int] | None, limits: Limits) -> Plan:
        total, below = state or (sum(pool.owned for pool in seen.pools), 0)
        ongoing = ongoing_requests(seen, MAX_ONGOING_REQUESTS)
        wish = max(1, -int(-ongoing / self.target_ongoing_requests // 1))
        below = below + 1 if wish < total else 0
        if wish > total or below >= DOWN_MINUTES:
            total, below = wish, 0
        return mixed(seen.pools, total, self.on_demand_share, limits, (total, below))
