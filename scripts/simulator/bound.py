"""The clairvoyant lower bound: what the scored part would cost with all arrivals and all capacity known, as a linear
program.

Relaxed so that no policy can be cheaper: replicas are fractions, five minutes are one step, a zone has in a step the
most that it had at any time of it, a share of 1 - SLO is dropped for nothing, the rest may wait up to two minutes,
and a launch pays only 0.7 of the median warm-up. Valid, and loose. Solved by HiGHS through scipy.optimize.linprog.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

from scripts.simulator.scene import DROP_AFTER_SECONDS, STEP_SECONDS, Scene
from scripts.simulator.traces import Floats

BOUND_STEP_SECONDS = 300.0
LEAST_WARM_UP_SHARE = 0.7
Whole = NDArray[np.int64]


class BoundError(RuntimeError):
    """The linear program was not solved; the message is the solver's."""


def clairvoyant_usd(scene: Scene) -> float:
    """Dollars below which no policy keeps the promise on the scored part."""
    fold = int(BOUND_STEP_SECONDS / STEP_SECONDS)
    work = scene.offered()[scene.first_scored :]
    steps = len(work) // fold
    arrivals = work[: steps * fold].reshape(steps, fold).sum(axis=1)
    groups = scene.groups()
    caps = [_most(group.supply, scene.first_scored, steps, fold) for group in groups]
    prices = [group.usd_per_hour / 3600 for group in groups]
    return _solve(arrivals, caps, prices, scene)


def _most(supply: list[int] | None, first: int, steps: int, fold: int) -> Floats:
    if supply is None:
        return np.full(steps, np.inf)
    capacity = np.array(supply[first : first + steps * fold], dtype=np.float64)
    return np.asarray(capacity.reshape(steps, fold).max(axis=1))


def _solve(arrivals: Floats, caps: list[Floats], prices: list[float], scene: Scene) -> float:
    """Variables by step: ready and launched replicas of each group, then dropped work and work that waits at its
    end.
    """
    steps, groups, dt = len(arrivals), len(caps), BOUND_STEP_SECONDS
    at = np.arange(steps)
    ready = [at + group * steps for group in range(groups)]
    launched = [at + (groups + group) * steps for group in range(groups)]
    dropped, waiting = at + 2 * groups * steps, at + (2 * groups + 1) * steps
    count = (2 * groups + 2) * steps
    rows: list[tuple[Whole, Whole, float]] = []
    # work: served by what is ready at least what arrives and waited, less what is dropped or goes on waiting
    rows += [(at, one, -dt) for one in ready] + [(at, dropped, -1.0), (at, waiting, -1.0)]
    rows += [(at[1:], waiting[:-1], 1.0)]
    # launches: at least as many as there are more ready than before
    for group in range(groups):
        line = at + (1 + group) * steps
        rows += [(line, ready[group], 1.0), (line[1:], ready[group][:-1], -1.0), (line, launched[group], -1.0)]
    last = np.full(steps, (1 + groups) * steps)
    rows += [(last, dropped, 1.0)]
    row = np.concatenate([one[0] for one in rows])
    column = np.concatenate([one[1] for one in rows])
    value = np.concatenate([np.full(len(one[0]), one[2]) for one in rows])
    limits = np.concatenate([-arrivals, np.zeros(groups * steps), [(1 - scene.promise.share) * arrivals.sum()]])
    warm_up = LEAST_WARM_UP_SHARE * scene.warm_up_seconds
    price = np.zeros(count)
    for group in range(groups):
        price[ready[group]] = prices[group] * dt
        price[launched[group][1:]] = prices[group] * warm_up  # those of the first step are a gift
    upper = np.full(count, np.inf)
    for group in range(groups):
        upper[ready[group]] = caps[group]
    upper[waiting] = arrivals / dt * DROP_AFTER_SECONDS
    matrix = coo_array((value, (row, column)), shape=(len(limits), count)).tocsr()
    bounds = np.column_stack([np.zeros(count), upper])
    solved = linprog(price, A_ub=matrix, b_ub=limits, bounds=bounds, method="highs")
    if not solved.success:
        raise BoundError(f"the lower bound was not found: {solved.message}")
    return float(solved.fun)
