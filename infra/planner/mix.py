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
    """Replicas by pool. The order of `offers` does not matter."""
    offers = sorted(offers, key=lambda offer: (offer.price, offer.name))
    counts = {offer.name: offer.least for offer in offers}
    kept = {offer.name: [one.kept.get(offer.name, 1.0) for one in scenarios] for offer in offers}
    ready = _ready(counts, scenarios)
    step = max(1, int(demand.knots[-1]) // STEPS)
    while True:
        needed = [
            one.chance * demand.chance_above(have + 0.5 * step) for one, have in zip(scenarios, ready, strict=True)
        ]
        best, best_worth = None, epsilon
        for offer in offers:
            count = counts[offer.name]
            if count < offer.most:
                price = offer.price * (KEPT_IS_CHEAPER if count < offer.owned else 1.0)
                worth = sum(map(mul, needed, kept[offer.name])) / price
                if worth > best_worth:
                    best, best_worth = offer, worth
        if best is None:
            return counts
        added = min(step, best.most - counts[best.name])
        counts[best.name] += added
        ready = [have + added * share for have, share in zip(ready, kept[best.name], strict=True)]


def expected_shortfall(demand: Demand, scenarios: Sequence[Scenario], counts: Mapping[str, int]) -> float:
    """Replicas that are missing on average under these scenarios."""
    ready = _ready(counts, scenarios)
    return sum(one.chance * demand.shortfall(have) for one, have in zip(scenarios, ready, strict=True))


def _ready(counts: Mapping[str, int], scenarios: Sequence[Scenario]) -> list[float]:
    """What is left of these replicas in each scenario."""
    return [sum(count * one.kept.get(name, 1.0) for name, count in counts.items()) for one in scenarios]
