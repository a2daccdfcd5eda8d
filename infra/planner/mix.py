"""The cheapest mix: a replica is bought while the chance that it is needed is worth its price.

Minimising price plus a charge for expected shortfall means: go on while an on-demand replica's worth of money lowers
the expected shortfall by more than `epsilon` replicas (the newsvendor's critical ratio; Arrow, Harris and Marschak,
1951). The chance is taken over demand and over what spot may have lost by then, so a second zone is worth more than
more of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul

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
    return shelf.counts


class _Shelf:
    """A mix under way: how many of each offer, and what is left of them in each scenario."""

    def __init__(self, demand: Demand, scenarios: Sequence[Scenario], offers: Sequence[Offer]) -> None:
        self.demand, self.offers = demand, offers
        self.chances = [one.chance for one in scenarios]
        self.kept = {offer.name: [one.kept.get(offer.name, 1.0) for one in scenarios] for offer in offers}
        self.counts = {offer.name: offer.least for offer in offers}
        self.ready = _ready(self.counts, scenarios)
        self.step = max(1, int(demand.knots[-1]) // STEPS)

    def fill(self, epsilon: float) -> None:
        """Add the replicas that are worth most for their price, while any is worth more than epsilon."""
        while True:
            needed = self._needed(0.5 * self.step)
            best, best_worth = None, epsilon
            for offer in self.offers:
                count = self.counts[offer.name]
                if count < offer.most:
                    worth = sum(map(mul, needed, self.kept[offer.name])) / self._price(offer, count)
                    if worth > best_worth:
                        best, best_worth = offer, worth
            if best is None:
                return
            self._move(best, min(self.step, best.most - self.counts[best.name]))

    def thin(self, epsilon: float) -> bool:
        """Take out the replicas that are worth least, while any is worth less than epsilon; whether there was one."""
        any_taken = False
        while True:
            needed = self._needed(-0.5 * self.step)
            worst, worst_worth = None, epsilon
            for offer in self.offers:
                count = self.counts[offer.name]
                if count > offer.least:
                    worth = sum(map(mul, needed, self.kept[offer.name])) / self._price(offer, count - self.step)
                    if worth < worst_worth:
                        worst, worst_worth = offer, worth
            if worst is None:
                return any_taken
            any_taken = True
            self._move(worst, -min(self.step, self.counts[worst.name] - worst.least))

    def _needed(self, beyond: float) -> list[float]:
        """For each scenario, its chance with that of a demand above what is left by so much."""
        above = self.demand.chance_above
        return [chance * above(have + beyond) for chance, have in zip(self.chances, self.ready, strict=True)]

    def _move(self, offer: Offer, count: int) -> None:
        self.counts[offer.name] += count
        kept = self.kept[offer.name]
        self.ready = [have + count * share for have, share in zip(self.ready, kept, strict=True)]

    def _price(self, offer: Offer, count: int) -> float:
        """Of one replica of the step that begins at `count`, on average."""
        owned = min(max(offer.owned - count, 0), self.step)
        return offer.price * (1.0 - (1.0 - KEPT_IS_CHEAPER) * owned / self.step)


def expected_shortfall(demand: Demand, scenarios: Sequence[Scenario], counts: Mapping[str, float]) -> float:
    """Replicas that are missing on average under these scenarios."""
    ready = _ready(counts, scenarios)
    return sum(one.chance * demand.shortfall(have) for one, have in zip(scenarios, ready, strict=True))


def _ready(counts: Mapping[str, float], scenarios: Sequence[Scenario]) -> list[float]:
    """What is left of these replicas in each scenario."""
    return [sum(count * one.kept.get(name, 1.0) for name, count in counts.items()) for one in scenarios]
