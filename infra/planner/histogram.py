"""A histogram over a logarithmic axis whose old samples fade: the planner's memory of how wrong forecasts were."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

BIN_WIDTH = 0.04  # in natural logarithms: 4 %
BINS = 101  # e^-2 to e^2
RESCALE_AT = 1e9


class FadingHistogram:
    """Ratios around 1. A sample that is `fade_samples` samples old weighs 1/e of a new one."""

    def __init__(self, fade_samples: float, weights: Sequence[float], gain: float = 1.0) -> None:
        self.fade_samples = fade_samples
        self.weights = list(weights)
        self.gain = gain

    @classmethod
    def around_one(cls, fade_samples: float, sigma: float, samples: float) -> "FadingHistogram":
        """A prior: log-normal around 1, worth `samples` samples."""
        shape = [math.exp(-0.5 * ((i - BINS // 2) * BIN_WIDTH / sigma) ** 2) for i in range(BINS)]
        total = sum(shape)
        return cls(fade_samples, [samples * weight / total for weight in shape])

    def copy(self) -> "FadingHistogram":
        return FadingHistogram(self.fade_samples, self.weights, self.gain)

    def add(self, ratio: float) -> None:
        """New samples gain weight instead of every old one losing some: the same, for one addition."""
        self.gain *= 1.0 + 1.0 / self.fade_samples
        position = math.log(max(ratio, 1e-9)) / BIN_WIDTH + BINS // 2
        self.weights[min(max(round(position), 0), BINS - 1)] += self.gain
        if self.gain > RESCALE_AT:
            self.weights = [weight / self.gain for weight in self.weights]
            self.gain = 1.0

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """The ratio below which each share of the weight lies, between bins by a straight line."""
        sums = list(accumulate(self.weights))
        found = []
        for share in shares:
            wanted = share * sums[-1]
            i = bisect_left(sums, wanted)
            below = sums[i - 1] if i else 0.0
            inside = (wanted - below) / max(self.weights[i], 1e-300)
            found.append(math.exp((i - BINS // 2 - 0.5 + inside) * BIN_WIDTH))
        return found
