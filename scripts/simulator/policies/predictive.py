"""Predictive scaling beside target tracking, on a group that is half on-demand.

Source: docs.aws.amazon.com/autoscaling/ec2/userguide/predictive-scaling-policy-overview.html (24 hours of data before
the first forecast, hourly, refreshed every six hours, launches ahead by a buffer, never scales in). AWS does not
publish the model: here the mean of the same hour on the days before, which is what it uses them for.
"""

from dataclasses import dataclass, field

from infra.planner.model import Limits, Observation, Plan
from scripts.simulator.policies.groups import mixed, offered_replicas
from scripts.simulator.policies.target_tracking import TargetTracking

HOURS_NEEDED, HOURS_REFRESHED, DAYS_LEARNED = 24, 6, 14
BUFFER_MINUTES = 5


@dataclass
class Learned:
    tracked: tuple[int, int, int] = (0, 0, 0)
    hours: list[float] = field(default_factory=list)
    running: list[float] = field(default_factory=list)
    forecast: list[float] = field(default_factory=list)  # of the 24 hours of a day
    first_hour: int = 0


@dataclass(frozen=True)
class Predictive:
    load: float = 0.7
    on_demand_share: float = 0.5

    def __call__(self, seen: Observation, state: Learned | None, limits: Limits) -> Plan:
        minute = int(seen.at_seconds // 60)
        state = state or Learned((sum(pool.owned for pool in seen.pools), 0, 0), first_hour=minute // 60)
        work = offered_replicas(seen.offered_tokens_per_second, seen.replica_tokens_per_second)
        state.running.append(work)
        if minute % 60 == 59:
            _close_hour(state)
        tracking = TargetTracking(self.load, self.on_demand_share)
        state.tracked = tracking.tracked(seen, *state.tracked)
        hour = (minute + BUFFER_MINUTES) // 60 - state.first_hour
        ahead = -int(-state.forecast[hour % 24] / self.load // 1) if state.forecast else 0
        return mixed(seen.pools, max(state.tracked[0], ahead), self.on_demand_share, limits, state)


def _close_hour(state: Learned) -> None:
    state.hours.append(sum(state.running) / len(state.running))
    state.running = []
    if len(state.hours) >= HOURS_NEEDED and len(state.hours) % HOURS_REFRESHED == 0:
        recent = range(max(0, len(state.hours) - 24 * DAYS_LEARNED), len(state.hours))
        by_hour = [[state.hours[i] for i in recent if i % 24 == hour] for hour in range(24)]
        state.forecast = [sum(values) / len(values) if values else 0.0 for values in by_hour]
