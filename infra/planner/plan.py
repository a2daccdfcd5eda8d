"""One minute's decision, from what was observed to a desired capacity for each pool.

The order of thought: what demand will be when a replica bought now is ready, what spot may have lost by then, the
cheapest mix for both, what on-demand is still needed because spot is not ready, what scale-in should wait for, what
the brakes refuse.
"""

from dataclasses import dataclass, replace

from infra.planner.brakes import refused_pools, within_hourly_limit
from infra.planner.forecast import Demand
from infra.planner.losses import Scenario
from infra.planner.mix import Offer, cheapest_mix, expected_shortfall
from infra.planner.model import Expected, Limits, Observation, Plan, Pool, Target
from infra.planner.state import State
from infra.planner.warm_up import WarmUpTimes

SHORT_AFTER_MINUTES = 2  # a pool that stays below its desired capacity so long is taken to have no more
METRICS_LATE_SECONDS = 60.0
MOST_SKIPPED_MINUTES = 3  # figures older than that are not read


@dataclass(frozen=True)
class Outlook:
    """What is expected for the moment when a replica bought now would be ready."""

    horizon_seconds: float
    demand: Demand
    scenarios: list[Scenario]
    epsilon: float


def plan(observation: Observation, state: State | None, limits: Limits) -> Plan:
    """Targets for every pool. The given state is not changed.

    A minute that was planned already, or a later one, gets the same targets again: a second run of it must not undo the
    first one's. Nothing is learned from it.
    """
    minute = int(observation.at_seconds // 60)
    if state is not None and minute <= state.minute:
        known = {pool.name: state.last.get(pool.name, pool.desired) for pool in observation.pools}
        return Plan(tuple(Target(name, count, "planned already") for name, count in known.items()), state)
    state = _learned(minute, observation, state or State(), limits)
    outlook = _outlook(minute, observation, state, limits)
    refused = refused_pools(observation.pools, state.breaker)
    offers = [_offer(pool, limits, observation, pool.name in refused) for pool in observation.pools]
    mix, reasons = _wanted(observation, state, outlook, offers, limits.least_replicas)
    held = _held(minute, observation, state, outlook, mix)
    state.last, over = within_hourly_limit(observation.pools, held, limits)
    if observation.offered_tokens_per_second is None:
        reasons = dict.fromkeys(reasons, "no figures of demand: nothing is given up")
    told = tuple(Target(name, count, _reason(reasons[name], count, mix[name])) for name, count in state.last.items())
    return Plan(
        told, state, _expected(observation, outlook, state.warm_ups), (*refused.values(), *([over] if over else []))
    )


def _held(minute: int, observation: Observation, state: State, outlook: Outlook, mix: dict[str, int]) -> dict[str, int]:
    """The wishes, and what scale-in waits for: spot for two warm-ups; everything while demand is not known."""
    blind = observation.offered_tokens_per_second is None
    held = {}
    for pool in observation.pools:
        wanted = mix[pool.name]
        if pool.spot:
            wanted = state.hold.held(pool.name, minute, wanted, pool.owned, outlook.horizon_seconds / 60)
        held[pool.name] = max(wanted, pool.owned) if blind else wanted
    return held


def _learned(minute: int, observation: Observation, before: State, limits: Limits) -> State:
    state = before.copy()
    state.minute = minute
    state.warm_ups = state.warm_ups.learned(observation.warm_ups, {pool.combination for pool in observation.pools})
    state.breaker.observe(observation.warm_ups)
    known = minute - 1 if observation.figures_minute is None else observation.figures_minute
    if observation.offered_tokens_per_second is not None and known > state.figures_minute:
        first = state.figures_minute + 1  # a minute that never came whole is taken to be as the next one
        state.figures_minute = known
        horizon = _minutes(state.warm_ups.mean_seconds())
        for each in range(first if known - first <= MOST_SKIPPED_MINUTES else known, known + 1):
            state.forecast.observe(each, observation.offered_tokens_per_second, horizon)
        state.steering.observe(observation.answered, observation.late, limits.promise)
    for pool in observation.pools:
        short = pool.spot and pool.desired > pool.owned
        state.short_minutes[pool.name] = state.short_minutes.get(pool.name, 0) + 1 if short else 0
    state.losses.observe(minute, observation.pools, {pool.name for pool in observation.pools if _is_short(pool, state)})
    return state


def _minutes(warm_up_seconds: float) -> int:
    return max(1, round((warm_up_seconds + METRICS_LATE_SECONDS) / 60))


def _is_short(pool: Pool, state: State) -> bool:
    return state.short_minutes.get(pool.name, 0) >= SHORT_AFTER_MINUTES


def _outlook(minute: int, observation: Observation, state: State, limits: Limits) -> Outlook:
    horizon = state.warm_ups.mean_seconds()
    demand = state.forecast.demand(
        minute - 1,
        _minutes(horizon),
        observation.replica_tokens_per_second,
        backlog_rate=observation.backlog_tokens / max(horizon, 60.0),
    )
    exposed_hours = (horizon + METRICS_LATE_SECONDS) / 3600
    scenarios = state.losses.scenarios(minute, observation.pools, exposed_hours)
    return Outlook(horizon, demand, scenarios, state.steering.epsilon(limits.promise))


def _offer(pool: Pool, limits: Limits, observation: Observation, refused: bool) -> Offer:
    dearest = max(one.usd_per_hour for one in observation.pools)
    most = limits.most_replicas[pool.name]
    least = min(0 if pool.spot else limits.base_on_demand, most)
    if refused:
        most = min(most, pool.owned)
        least = min(least, most)
    return Offer(pool.name, pool.usd_per_hour / dearest, least, most, pool.owned)


def _wanted(
    observation: Observation, state: State, outlook: Outlook, offers: list[Offer], least: int
) -> tuple[dict[str, int], dict[str, str]]:
    """Wishes by pool. Spot is asked for as if every zone had some; on-demand covers what the zones are not giving."""
    short = {pool.name for pool in observation.pools if _is_short(pool, state)}
    ideal = cheapest_mix(outlook.demand, outlook.scenarios, offers, outlook.epsilon)
    given = [replace(one, most=min(one.most, one.owned)) if one.name in short else one for one in offers]
    mix = cheapest_mix(outlook.demand, outlook.scenarios, given, outlook.epsilon) if short else dict(ideal)
    still = _still_needed(observation, outlook, offers)
    reasons = {}
    for pool in observation.pools:
        name = pool.name
        if pool.spot:
            mix[name] = max(mix[name], ideal[name])
            reasons[name] = (
                "the zone gives less than is asked for" if name in short else "cheapest mix for the demand ahead"
            )
        elif still > mix[name]:
            mix[name] = still
            reasons[name] = "kept until spot is ready"
        else:
            reasons[name] = "what spot is expected to miss" if mix[name] else "spot covers the demand"
    _keep_the_least(observation, offers, mix, reasons, least)
    return mix, reasons


def _still_needed(observation: Observation, outlook: Outlook, offers: list[Offer]) -> int:
    """On-demand replicas that are owned and needed as long as only the spot that is ready counts."""
    owned = sum(pool.owned for pool in observation.pools if not pool.spot)
    if not owned:
        return 0
    ready = {pool.name: pool.ready for pool in observation.pools if pool.spot}
    now = [
        replace(one, least=min(ready[one.name], one.most), most=min(ready[one.name], one.most))
        if one.name in ready
        else replace(one, least=min(one.least, one.owned), most=min(one.most, one.owned))
        for one in offers
    ]
    mix = cheapest_mix(outlook.demand, outlook.scenarios[:1], now, outlook.epsilon)
    return sum(count for name, count in mix.items() if name not in ready)


def _keep_the_least(
    observation: Observation, offers: list[Offer], mix: dict[str, int], reasons: dict[str, str], least: int
) -> None:
    """As many as are kept when nobody asks; from zero the first request wakes one replica, however little it is."""
    asked = (observation.offered_tokens_per_second or 0.0) > 0 or observation.backlog_tokens > 0
    missing = max(least, 1 if asked else 0) - sum(mix.values())
    for one in sorted(offers, key=lambda each: (each.price, each.name)):
        added = min(missing, one.most - mix[one.name])
        if added > 0:
            mix[one.name] += added
            missing -= added
            reasons[one.name] = "the least that is kept" if least else "the first request wakes one"


def _expected(observation: Observation, outlook: Outlook, warm_ups: WarmUpTimes) -> Expected:
    """What the replicas that are owned now are expected to do then; warming ones count by their chance to be ready."""
    owned = {
        pool.name: pool.ready
        + sum(warm_ups.ready_chance(age, outlook.horizon_seconds) for age in pool.warming_ages_seconds)
        for pool in observation.pools
    }
    mean = outlook.demand.mean()
    return Expected(
        horizon_seconds=outlook.horizon_seconds,
        demand_replicas=mean,
        demand_p95_replicas=outlook.demand.quantile(0.95),
        ready_replicas=sum(one.chance * one.left(owned) for one in outlook.scenarios),
        shortfall_share=expected_shortfall(outlook.demand, outlook.scenarios, owned) / max(mean, 1e-9),
        epsilon=outlook.epsilon,
    )


def _reason(reason: str, count: int, wanted: int) -> str:
    if count > wanted:
        return "held: it was wanted within the last two warm-ups"
    return reason if count == wanted else "as far as the limits allow"
