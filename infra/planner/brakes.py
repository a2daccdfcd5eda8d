"""What the planner refuses to buy: beyond the limits, at the hourly limit, and what never becomes ready."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from infra.planner.model import Limits, Pool, WarmUp

BREAK_AFTER_LAUNCHES = 3


@dataclass
class Breaker:
    """Launches in a row of each combination that never became ready though nothing took them away."""

    failures: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "Breaker":
        return Breaker(dict(self.failures))

    def observe(self, ended: Iterable[WarmUp]) -> None:
        for one in ended:
            if one.became_ready:
                self.failures.pop(one.combination, None)
            elif one.failed:
                self.failures[one.combination] = self.failures.get(one.combination, 0) + 1

    def is_open(self, combination: str) -> bool:
        return self.failures.get(combination, 0) >= BREAK_AFTER_LAUNCHES


def resumed(breaker: Breaker) -> Breaker:
    """A person has seen to it: every combination may be bought again."""
    return Breaker()


def refused_pools(pools: Sequence[Pool], breaker: Breaker) -> dict[str, str]:
    """Pools in which nothing more is bought, with the reason in one sentence."""
    found = {}
    for pool in pools:
        if breaker.is_open(pool.combination):
            count = breaker.failures[pool.combination]
            found[pool.name] = (
                f"{pool.name}: the last {count} launches of {pool.combination or 'its template'} never became ready; "
                "nothing more is bought until `warmfleet scaling resume`"
            )
        elif pool.suspended:
            found[pool.name] = f"{pool.name}: its launches are suspended; resume the group's Launch process"
    return found


def within_hourly_limit(
    pools: Sequence[Pool], wanted: Mapping[str, int], limits: Limits
) -> tuple[dict[str, int], str | None]:
    """Purchases that fit `max_hourly_usd`, the dearest given up first; what is owned stays. And the refusal, if any."""
    targets = dict(wanted)
    limit = limits.max_hourly_usd
    if limit is None:
        return targets, None
    cost = sum(pool.usd_per_hour * targets[pool.name] for pool in pools)
    asked = cost
    for pool in sorted(pools, key=lambda one: (-one.usd_per_hour, one.name)):
        while cost > limit and targets[pool.name] > pool.owned:
            targets[pool.name] -= 1
            cost -= pool.usd_per_hour
    if targets == dict(wanted):
        return targets, None
    return (
        targets,
        f"max_hourly_usd: {asked:.2f} USD an hour were wanted, the limit is {limit:.2f}; "
        "raise it in the stack's settings",
    )
