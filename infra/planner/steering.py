"""Epsilon is no setting: it is steered until the share of late requests that is measured is the share that is
allowed.
"""

import math
from dataclasses import dataclass

from infra.planner.model import Promise

AIM = 0.65  # of the allowed lateness: the rest is for what the next days bring
FADE_MINUTES = 4 * 1440.0
PRIOR_MINUTES = 720.0  # of traffic exactly on the aim, before there is data
DRIFT_PER_DAY = 0.5  # how far e-fold the level moves in a day at twice the aim
FIRST_EPSILON, LEAST_EPSILON, MOST_EPSILON = 0.1, 0.002, 0.7
FAST_POWER = 1.5


@dataclass
class Steering:
    """Fading counts of answered and late requests; `level` is the slow part of epsilon."""

    answered: float = 0.0
    late: float = 0.0
    usual: float = 0.0  # requests a minute
    level: float = 0.04

    def copy(self) -> "Steering":
        return Steering(self.answered, self.late, self.usual, self.level)

    def observe(self, answered: float, late: float, promise: Promise) -> None:
        fade = math.exp(-1.0 / FADE_MINUTES)
        self.usual += (answered - self.usual) * (0.001 if self.usual else 1.0)
        self.answered = self.answered * fade + answered
        self.late = self.late * fade + late
        over = min(max(self._ratio(promise) - 1.0, -1.0), 2.0)
        self.level = min(max(self.level * math.exp(-DRIFT_PER_DAY * over / 1440), LEAST_EPSILON), MOST_EPSILON)

    def _ratio(self, promise: Promise) -> float:
        """Measured lateness by the lateness that is aimed at."""
        aim = AIM * max(1.0 - promise.share, 1e-4)
        prior = PRIOR_MINUTES * max(self.usual, 1e-9)
        return (self.late + prior * aim) / (self.answered + prior) / aim

    def epsilon(self, promise: Promise) -> float:
        fast = math.pow(self._ratio(promise), -FAST_POWER)
        return min(max(self.level * fast, LEAST_EPSILON), MOST_EPSILON)
