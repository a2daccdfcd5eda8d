"""How long a replica takes from launch to ready, learned from launches; those that were lost on the way count as
censored.

The survival curve is Kaplan and Meier's (Journal of the American Statistical Association 53, 1958): a launch that was
lost after four minutes says that warming took longer than four, and no more.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from infra.planner.model import WarmUp

# Stated prior until there is data: launch, 15 GB of weights and a probe on a GPU instance, median five minutes.
PRIOR_SECONDS = (180.0, 230.0, 270.0, 300.0, 330.0, 390.0, 500.0)
PRIOR_COUNTS_UNTIL = 14  # measured launches
MOST_REMEMBERED = 200


Sample = tuple[float, bool, str]  # seconds, became ready, combination: WarmUp's


class WarmUpTimes:
    """The newest launches and their survival curve.

    What launches now (`present`: combinations of template and model version) speaks alone once enough of it was
    measured, so that another version's times do not outvote its own; until then all do, and at first a prior.
    """

    def __init__(self, samples: Iterable[Sample] = (), present: frozenset[str] = frozenset()) -> None:
        self.samples, self.present = list(samples), present
        self._times, self._still_warming = _survival(self._counting())

    def learned(self, ended: Iterable[WarmUp], present: Iterable[str] = ("",)) -> "WarmUpTimes":
        new = [(one.seconds, one.became_ready, one.combination) for one in ended]
        now = frozenset(present)
        if not new and now == self.present:
            return self
        return WarmUpTimes([*self.samples, *new][-MOST_REMEMBERED:], now)

    def _counting(self) -> list[tuple[float, bool]]:
        every = [(seconds, became_ready) for seconds, became_ready, _ in self.samples]
        own = [(seconds, became_ready) for seconds, became_ready, what in self.samples if what in self.present]
        for some in (own, every):
            if sum(1 for _, became_ready in some if became_ready) >= PRIOR_COUNTS_UNTIL:
                return some
        return [*((seconds, True) for seconds in PRIOR_SECONDS), *every]

    def still_warming(self, age_seconds: float) -> float:
        """The share of launches that take longer than `age_seconds`."""
        return self._still_warming[bisect_right(self._times, age_seconds)]

    def quantile(self, share: float) -> float:
        """Seconds within which `share` of the launches are ready."""
        for seconds, left in zip(self._times, self._still_warming[1:], strict=True):
            if left <= 1.0 - share:
                return seconds
        return self._times[-1]

    def mean_seconds(self) -> float:
        spans = zip([0.0, *self._times[:-1]], self._times, self._still_warming, strict=False)
        return sum((to - since) * left for since, to, left in spans)

    def ready_chance(self, age_seconds: float, within_seconds: float) -> float:
        """That a launch of this age is ready `within_seconds` from now. Older than any known launch: about one in
        two.
        """
        now = self.still_warming(age_seconds)
        if now <= 0.0:
            return 0.5
        return 1.0 - self.still_warming(age_seconds + within_seconds) / now


def _survival(samples: Sequence[tuple[float, bool]]) -> tuple[list[float], list[float]]:
    """Times at which launches became ready, and the share that still warms before the first and after each."""
    times: list[float] = []
    left = [1.0]
    at_risk = len(samples)
    for seconds, became_ready in sorted(samples, key=lambda one: (one[0], not one[1])):
        if became_ready:
            times.append(seconds)
            left.append(left[-1] * (1.0 - 1.0 / at_risk))
        at_risk -= 1
    return (times, left) if times else ([math.inf], [1.0, 0.0])
