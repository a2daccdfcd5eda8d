"""SkyServe's SpotHedge: spot with `extra` replicas over the target, on-demand for what spot has not ready.

Source: Mao et al., SkyServe (arXiv 2411.01438), section 3; delays as in sky/serve/constants.py: a higher target
counts after 300 s, a lower one after 1,200 s. The placer is the paper's: zones that took or refused
something are avoided until fewer than two others are left.
"""

import math
from dataclasses import dataclass, field

from infra.planner.model import Limits, Observation, Plan, Pool, Target
from infra.planner.steering import Steering
from scripts.simulator.policies.groups import offered_replicas, spread

UP_MINUTES, DOWN_MINUTES = 5, 20


@dataclass
class Learned:
    target: int = 1
    above: int = 0
    below: int = 0
    avoided: frozenset[str] = frozenset()
    steering: Steering = field(default_factory=Steering)


@dataclass(frozen=True)
class SpotHedge:
    """`load` is the target rate per replica as a share of what it can do (SkyServe's target_qps_per_replica).

    `tuned` names what our self-tuner moves ("load" or "extra"), to compare fairly; SkyServe has none.
    """

    load: float = 0.8
    extra: int = 1
    tuned: str = ""

    def __call__(self, seen: Observation, state: Learned | None, limits: Limits) -> Plan:
        state = state or Learned(target=sum(pool.owned for pool in seen.pools))
        if seen.offered_tokens_per_second is not None:
            state.steering.observe(seen.answered, seen.late, limits.promise)
        load, extra = self._knobs(state, limits)
        work = offered_replicas(seen.offered_tokens_per_second, seen.replica_tokens_per_second)
        _retarget(state, max(1, math.ceil(work / load)))
        spot = [pool for pool in seen.pools if pool.spot]
        _avoid(state, spot)
        open_zones = [pool.name for pool in spot if pool.name not in state.avoided]
        wanted = spread(spot, state.target + extra, limits.most_replicas, open_zones)
        ready = sum(pool.ready for pool in spot)
        missing = min(state.target, max(0, state.target + extra - ready))
        for pool in seen.pools:
            if not pool.spot:
                wanted[pool.name] = min(missing, limits.most_replicas[pool.name])
        return Plan(tuple(Target(pool.name, wanted[pool.name], "anchor") for pool in seen.pools), state)

    def _knobs(self, state: Learned, limits: Limits) -> tuple[float, int]:
        """Epsilon is the tuner's word for risk; the more it allows, the higher the load or the fewer the extra
        replicas.
        """
        if not self.tuned:
            return self.load, self.extra
        epsilon = state.steering.epsilon(limits.promise)
        if self.tuned == "load":
            return min(1.0, max(0.25, 0.8 * (epsilon / 0.1) ** 0.25)), self.extra
        return self.load, min(20, max(0, round(2 - 2.5 * math.log2(epsilon / 0.1))))


def _retarget(state: Learned, needed: int) -> None:
    state.above = state.above + 1 if needed > state.target else 0
    state.below = state.below + 1 if needed < state.target else 0
    if state.above >= UP_MINUTES or state.below >= DOWN_MINUTES:
        state.target, state.above, state.below = needed, 0, 0


def _avoid(state: Learned, spot: list[Pool]) -> None:
    """A zone that took or refused something is avoided until fewer than two others are left: then all count again."""
    state.avoided |= {pool.name for pool in spot if pool.noticed or pool.desired > pool.owned}
    if len(spot) - len(state.avoided) < 2:
        state.avoided = frozenset()
