"""Demand when a replica bought now would be ready: several forecasters, the best by its own recent error, and that
error.

A forecaster is a level (the last one, five or fifteen minutes) times a change: none, that of the same time of day, or
of the same time of the week. Each keeps the ratios of what came to what it had said; the one whose promise, its 95 %
point, cost least of late speaks, and the spread of its ratios is the spread of the answer.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate

from infra.planner.histogram import FadingHistogram

LEVEL_MINUTES = (1.0, 5.0, 15.0)
DAY_SLOTS, WEEK_SLOTS, SLOT_MINUTES = 288, 2016, 5
CHANGES = ("now", "day", "week")
LEARNED_OF_NEW_DAY = 0.4
NEIGHBOURS = 2  # slots on each side that smooth a time of day
ERROR_FADE_MINUTES = 2 * 1440.0
LOSS_FADE_MINUTES = 1440.0
PROMISED_SHARE = 0.95
# Points of the answer's distribution; above the last it falls to nothing at TAIL times its value.
SHARES = (0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.87, 0.92, 0.955, 0.975, 0.988, 0.995)
TAIL = 1.15
ABOVE = (1.0, *(1.0 - share for share in SHARES), 0.0)
USUAL_MINUTES = 720.0
REFRESH_MINUTES = 10


@dataclass(frozen=True)
class Demand:
    """A distribution of demand in replicas: `above[i]` is the chance that it exceeds `knots[i]`; straight in
    between.
    """

    knots: tuple[float, ...]
    above: tuple[float, ...]

    def chance_above(self, replicas: float) -> float:
        i = bisect_right(self.knots, replicas)
        if i == 0:
            return 1.0
        if i == len(self.knots):
            return 0.0
        low, high = self.knots[i - 1], self.knots[i]
        return self.above[i] + (self.above[i - 1] - self.above[i]) * (high - replicas) / (high - low)

    def shortfall(self, replicas: float) -> float:
        """Expected demand in excess of `replicas`: the integral of `chance_above` from there on."""
        at, chance, total = replicas, self.chance_above(replicas), 0.0
        if replicas < self.knots[0]:
            total, at, chance = self.knots[0] - replicas, self.knots[0], 1.0
        for i in range(bisect_right(self.knots, at), len(self.knots)):
            total += (self.knots[i] - at) * (self.above[i] + chance) / 2
            at, chance = self.knots[i], self.above[i]
        return total

    def quantile(self, share: float) -> float:
        for knot, above in zip(self.knots, self.above, strict=True):
            if above <= 1.0 - share:
                return knot
        return self.knots[-1]

    def mean(self) -> float:
        return self.shortfall(0.0)


@dataclass
class Forecast:
    """What the forecasters remember. Rates in tokens per second; a minute is one call of `observe`."""

    levels: list[float] = field(default_factory=list)
    day: list[float] = field(default_factory=lambda: [0.0] * DAY_SLOTS)
    week: list[float] = field(default_factory=lambda: [0.0] * WEEK_SLOTS)
    slot: list[float] = field(default_factory=lambda: [0.0, 0.0])  # sum and count of the running slot
    said: list[tuple[int, list[float]]] = field(default_factory=list)  # (minute it speaks of, one forecast each)
    errors: list[FadingHistogram] = field(
        default_factory=lambda: [FadingHistogram.around_one(ERROR_FADE_MINUTES, 0.25, 60.0) for _ in range(9)]
    )
    losses: list[float] = field(default_factory=lambda: [0.0] * 9)
    promised: list[float] = field(default_factory=lambda: [1.4] * 9)  # ratio at PROMISED_SHARE, of each
    usual: float = 0.0  # the rate of the last half day, from none: a first rush is not what is usual
    best: int = 0
    factors: list[float] = field(default_factory=list)  # ratios at SHARES, of the best

    def copy(self) -> "Forecast":
        return Forecast(
            list(self.levels), list(self.day), list(self.week), list(self.slot), list(self.said),
            [one.copy() for one in self.errors], list(self.losses), list(self.promised), self.usual, self.best,
            list(self.factors),
        )  # fmt: skip

    def observe(self, minute: int, rate: float, horizon_minutes: int) -> None:
        """Learn one minute's rate, then say what each forecaster expects after the horizon."""
        self._levels(rate)
        self._profiles(minute, rate)
        self._errors(minute, rate)
        self.said.append((minute + horizon_minutes, self._all(minute, horizon_minutes)))
        if minute % REFRESH_MINUTES == 0 or not self.factors:
            self._choose()

    def demand(self, minute: int, horizon_minutes: int, replica_rate: float, backlog_rate: float = 0.0) -> Demand:
        """The best forecaster's answer as a distribution of replicas; `backlog_rate` is work that waits, on top."""
        said = self._all(minute, horizon_minutes)[self.best] if self.levels else 0.0
        spread = self._scale(said)
        rates = [max(said + (factor - 1.0) * spread, 0.0) + backlog_rate for factor in self.factors]
        rates = [rates[0] * 0.9, *rates, rates[-1] * TAIL] if rates else [said + backlog_rate]
        knots = [max(rate / replica_rate, 1e-6 * (i + 1)) for i, rate in enumerate(rates)]
        return Demand(tuple(accumulate(knots, lambda low, high: max(high, low * (1 + 1e-9)))), ABOVE[-len(knots) :])

    def _scale(self, said: float) -> float:
        """What an error is measured against: what was said, but not less than half of what is usual."""
        return max(said, 0.5 * self.usual, 1e-9)

    def _levels(self, rate: float) -> None:
        self.levels = self.levels or [rate] * len(LEVEL_MINUTES)
        self.usual += (rate - self.usual) / USUAL_MINUTES
        for i, minutes in enumerate(LEVEL_MINUTES):
            self.levels[i] += (rate - self.levels[i]) * -math.expm1(-1.0 / minutes)

    def _profiles(self, minute: int, rate: float) -> None:
        self.slot[0] += rate
        self.slot[1] += 1
        if (minute + 1) % SLOT_MINUTES:
            return
        mean = self.slot[0] / self.slot[1]
        self.slot = [0.0, 0.0]
        for profile in (self.day, self.week):
            at = minute // SLOT_MINUTES % len(profile)
            profile[at] += (mean - profile[at]) * (LEARNED_OF_NEW_DAY if profile[at] else 1.0)

    def _errors(self, minute: int, rate: float) -> None:
        fade = math.exp(-1.0 / LOSS_FADE_MINUTES)
        while self.said and self.said[0][0] <= minute:
            due, forecasts = self.said.pop(0)
            if due < minute:
                continue  # the horizon shrank or a minute was missed: nothing to compare with
            for i, said in enumerate(forecasts):
                scale = self._scale(said)
                self.errors[i].add(1.0 + (rate - said) / scale)
                over = rate - said - (self.promised[i] - 1.0) * scale
                loss = over * PROMISED_SHARE if over > 0 else -over * (1.0 - PROMISED_SHARE)
                self.losses[i] = self.losses[i] * fade + loss

    def _all(self, minute: int, horizon_minutes: int) -> list[float]:
        changes = [1.0, _change(self.day, minute, horizon_minutes), _change(self.week, minute, horizon_minutes)]
        return [level * change for change in changes for level in self.levels]

    def _choose(self) -> None:
        self.best = min(range(len(self.losses)), key=lambda i: (self.losses[i], i))
        self.promised = [one.quantiles((PROMISED_SHARE,))[0] for one in self.errors]
        self.factors = self.errors[self.best].quantiles(SHARES)


def _change(profile: list[float], minute: int, horizon_minutes: int) -> float:
    """How the rate changed over this stretch a day or a week ago; 1 where nothing is known of it yet."""
    now, then = _smooth(profile, minute), _smooth(profile, minute + horizon_minutes)
    return min(max(then / now, 0.2), 5.0) if now > 0 and then > 0 else 1.0


def _smooth(profile: list[float], minute: int) -> float:
    at = minute // SLOT_MINUTES
    values = [profile[(at + i) % len(profile)] for i in range(-NEIGHBOURS, NEIGHBOURS + 1)]
    return sum(values) / len(values) if min(values) > 0 else 0.0
