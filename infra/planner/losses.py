"""What spot takes: how likely, how much and which pools together.

Losses come in flurries. On the traces that SkyPilot published (AWS, 2022-23) a zone that gave or took something within
the last six minutes loses again at about 3 an hour, one that was calm for two hours at 0.2. So the hazard is learned
by how long a pool has been calm: since it last lost or refused a replica. What was lost together is expected to be lost
together.
"""

import math
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from infra.planner.model import Pool

CALM_HOURS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # edges between eight ages of calm
# Stated prior until there is data: losses an hour at each age, and the hours that it is worth.
PRIOR_PER_HOUR = (2.5, 2.0, 1.2, 0.8, 0.5, 0.3, 0.2, 0.15)
PRIOR_HOURS = (1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
FADE_HOURS = 14 * 24.0
JOIN_MINUTES = 4  # notices of one event arrive within a few minutes of each other
MOST_EVENTS = 24
PRIOR_SHARE = 0.6
UNSEEN_CORRELATION = 0.77  # measured between us-west-2a and us-west-2c: for a pool that held nothing at the time
REBALANCE_FOLLOWED = (
    0.5  # 9 of 30 in a sample of 17 hours (aws-node-termination-handler issue 141): careful, not measured
)


@dataclass(frozen=True)
class Scenario:
    """With `chance`, a pool keeps this share of its replicas through the horizon: `kept` has those that differ from
    the others. Most share one value, and arithmetic over fifty pools then costs what the few that differ cost.
    """

    chance: float
    kept: dict[str, float]
    others: float = 1.0

    def of(self, pool: str) -> float:
        return self.kept.get(pool, self.others)

    def left(self, counts: Mapping[str, float]) -> float:
        """What is left of so many replicas of each pool, in all."""
        apart = sum((share - self.others) * counts.get(name, 0.0) for name, share in self.kept.items())
        return self.others * sum(counts.values()) + apart


@dataclass
class Losses:
    """Events are (minute, {pool: share lost}); `hours` and `counts` are held hours and losses at each age of calm."""

    events: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    hours: list[float] = field(default_factory=lambda: list(PRIOR_HOURS))
    counts: list[float] = field(
        default_factory=lambda: [r * h for r, h in zip(PRIOR_PER_HOUR, PRIOR_HOURS, strict=True)]
    )
    disturbed: dict[str, int] = field(default_factory=dict)  # minute at which each pool last lost or refused something

    def copy(self) -> "Losses":
        return Losses(list(self.events), list(self.hours), list(self.counts), dict(self.disturbed))

    def observe(self, minute: int, pools: Sequence[Pool], refused: Collection[str]) -> None:
        """Learn one minute; `refused` names the pools that gave less than they were asked for."""
        keep = math.exp(-1.0 / 60 / FADE_HOURS)
        self.hours = [value * keep for value in self.hours]
        self.counts = [value * keep for value in self.counts]
        spot = [pool for pool in pools if pool.spot]
        held = {pool.name: pool.owned + pool.noticed for pool in spot}
        for pool in spot:
            age = self._age(pool.name, minute)
            if held[pool.name]:
                self.hours[age] += 1.0 / 60
                self.counts[age] += 1.0 if pool.noticed else 0.0
            if pool.noticed or pool.name in refused:
                self.disturbed[pool.name] = minute
        lost = {pool.name: pool.noticed / held[pool.name] for pool in spot if held[pool.name]}
        if any(lost.values()):
            self._remember(minute, lost)

    def _age(self, name: str, minute: int) -> int:
        return bisect_right(CALM_HOURS, (minute - self.disturbed.setdefault(name, minute)) / 60)

    def _remember(self, minute: int, lost: dict[str, float]) -> None:
        if self.events and minute - self.events[-1][0] < JOIN_MINUTES:
            since, before = self.events[-1]
            joined = {name: 1.0 - (1.0 - before.get(name, 0.0)) * (1.0 - share) for name, share in lost.items()}
            self.events[-1] = (since, {**before, **joined})
        else:
            self.events = [*self.events[-MOST_EVENTS + 1 :], (minute, lost)]

    def per_hour(self, name: str, minute: int) -> float:
        age = self._age(name, minute)
        return self.counts[age] / self.hours[age]

    def scenarios(self, minute: int, pools: Sequence[Pool], hours: float) -> list[Scenario]:
        """What may be left of each spot pool after `hours`: everything, or what a remembered event would leave of
        it. An event that struck several pools may be brought about by each of them: it takes a part of the chance of
        each.
        """
        chances = [0.0] * len(self.events)
        together = [sum(1 for share in lost.values() if share) for _, lost in self.events]
        found: list[Scenario] = []
        for pool in (pool for pool in pools if pool.spot):
            chance = -math.expm1(-self.per_hour(pool.name, minute) * hours)
            own = [i for i, (_, lost) in enumerate(self.events) if lost.get(pool.name)]
            for i in own:
                chances[i] += chance / len(own) / together[i]
            if not own:
                found.append(_scenario(chance, pools, {pool.name: PRIOR_SHARE}))
        found += [
            _scenario(chance, pools, lost) for chance, (_, lost) in zip(chances, self.events, strict=True) if chance
        ]
        calm = max(1.0 - sum(one.chance for one in found), 0.0)
        return [_scenario(calm, pools, {pool.name: 0.0 for pool in pools}), *found]


def _scenario(chance: float, pools: Sequence[Pool], lost: Mapping[str, float]) -> Scenario:
    """What the event of these losses leaves; of pools that held nothing then, what the zones' correlation says."""
    usual = UNSEEN_CORRELATION * sum(lost.values()) / len(lost)
    others = 1.0 - usual if 2 * len(lost) < len(pools) else 1.0
    kept = {
        pool.name: (1.0 - lost.get(pool.name, usual)) * (1.0 - _at_risk(pool)) if pool.spot else 1.0 for pool in pools
    }
    return Scenario(chance, {name: share for name, share in kept.items() if share != others}, others)


def _at_risk(pool: Pool) -> float:
    return REBALANCE_FOLLOWED * pool.at_risk / pool.owned if pool.at_risk and pool.owned else 0.0
