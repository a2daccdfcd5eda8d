"""The cheapest mix: a replica is bought while the chance that it is needed is worth its price.

Minimising price plus a charge for expected shortfall means: go on while an on-demand replica's worth of money lowers
the expected shortfall by more than `epsilon` replicas (the newsvendor's critical ratio; Arrow, Harris and Marschak,
1951). The chance is taken over demand and over what spot may have lost by then, so a second zone is worth more than
more of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, mul

from infra.planner.forecast import Demand
from infra.planner.losses import Scenario

KEPT_IS_CHEAPER = 0.8  # a replica that is owned already is not exchanged for a slightly better one
MOST_ROUNDS = 3  # what one round takes out seldom makes room for something else
STEPS = 48  # a large fleet is filled in steps of about this many


@dataclass(frozen=True)
class Offer:
    """One pool as a place to have replicas: at least `least`, at most `most`; `owned` of them are there or warming."""

    name: str
    price: float  # relative to on-demand
    least: int
    most: int
    owned: int


def cheapest_mix(
    demand: Demand, scenarios: Sequence[Scenario], offers: Sequence[Offer], epsilon: float
) -> dict[str, int]:
    """Replicas by pool. The order of `offers` does not matter.

    First whatever is worth most for its price is added; then what the later additions made redundant is taken out: spot
    that had to be backed by on-demand in full may not be needed beside it.
    """
    shelf = _Shelf(demand, scenarios, sorted(offers, key=lambda offer: (offer.price, offer.name)))
    shelf.fill(epsilon)
    for _ in range(MOST_ROUNDS):
        if not shelf.thin(epsilon):
            break
        shelf.fill(epsilon)
    return shelf.counts()


@dataclass
class _Row:
    """One offer in a mix under way. In the scenarios `apart` it keeps another share than most pools do, and differs by
    `more`; `worth` is that of its next step.
    """

    offer: Offer
    count: int
    apart: list[int] = field(default_factory=list)
    more: list[float] = field(default_factory=list)
    worth: float = 0.0

    def spares(self, needed: list[float], usual: float) -> float:
        """The shortfall that one replica more spares: `usual` if it is like most, and what it differs by."""
        differs: float = sum(map(mul, map(needed.__getitem__, self.apart), self.more))
        return usual + differs

    def price(self, count: int, step: int) -> float:
        """Of one replica of the step that begins at `count`, on average."""
        owned = min(max(self.offer.owned - count, 0), step)
        return self.offer.price * (1.0 - (1.0 - KEPT_IS_CHEAPER) * owned / step)


_worth = attrgetter("worth")


class _Shelf:
    """A mix under way: how many of each offer, and what is left of them in each scenario."""

    def __init__(self, demand: Demand, scenarios: Sequence[Scenario], offers: Sequence[Offer]) -> None:
        self.demand = demand
        self.chances = [one.chance for one in scenarios]
        self.others = [one.others for one in scenarios]
        self.rows = [_Row(offer, offer.least) for offer in offers]
        by_name = {row.offer.name: row for row in self.rows}
        for i, one in enumerate(scenarios):
            for name, share in one.kept.items():
                by_name[name].apart.append(i)
                by_name[name].more.append(share - one.others)
        least = self.counts()
        self.ready = [one.left(least) for one in scenarios]
        self.step = max(1, int(demand.knots[-1]) // STEPS)

    def counts(self) -> dict[str, int]:
        return {row.offer.name: row.count for row in self.rows}

    def fill(self, epsilon: float) -> None:
        """Add the replicas that are worth most for their price, while any is worth more than epsilon.

        As long as demand is above what is there in every scenario, only the worth of the row that was added to changes.
        """
        step, needed, stale = self.step, list[float](), self.rows
        while True:
            before, needed = needed, self._needed(0.5 * step)
            if needed != before:
                usual, stale = sum(map(mul, needed, self.others)), self.rows
            for row in stale:
                room = row.count < row.offer.most
                row.worth = row.spares(needed, usual) / row.price(row.count, step) if room else 0.0
            best = max(self.rows, key=_worth)
            if best.worth <= epsilon:
                return
            self._move(best, min(step, best.offer.most - best.count))
            stale = [best]

    def thin(self, epsilon: float) -> bool:
        """Take out the replicas that are worth least, while any is worth less than epsilon; whether there was one."""
        step, any_taken = self.step, False
        while True:
            needed = self._needed(-0.5 * step)
            usual = sum(map(mul, needed, self.others))
            worst, worst_worth = None, epsilon
            for row in self.rows:
                if row.count > row.offer.least:
                    worth = row.spares(needed, usual) / row.price(row.count - step, step)
                    if worth < worst_worth:
                        worst, worst_worth = row, worth
            if worst is None:
                return any_taken
            any_taken = True
            self._move(worst, -min(step, worst.count - worst.offer.least))

    def _needed(self, beyond: float) -> list[float]:
        """For each scenario, its chance with that of a demand above what is left by so much."""
        above, certain = self.demand.chance_above, self.demand.knots[0]
        return [
            chance if (at := have + beyond) < certain else chance * above(at)
            for chance, have in zip(self.chances, self.ready, strict=True)
        ]

    def _move(self, row: _Row, count: int) -> None:
        row.count += count
        self.ready = [have + count * share for have, share in zip(self.ready, self.others, strict=True)]
        for i, more in zip(row.apart, row.more, strict=True):
            self.ready[i] += count * more


def expected_shortfall(demand: Demand, scenarios: Sequence[Scenario], counts: Mapping[str, float]) -> float:
    """Replicas that are missing on average under these scenarios."""
    return sum(one.chance * demand.shortfall(one.left(counts)) for one in scenarios)
