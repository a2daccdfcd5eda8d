"""A benchmark's table: what was measured beside what the project promises, with ratios."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value beside the most that it may be."""

    what: str
    value: float
    bound: float
    unit: str

    def line(self) -> str:
        ratio = self.value / self.bound if self.bound else self.value  # what may not happen at all is counted
        return f"{self.what:<58}{self.value:>8.4g}{self.bound:>8.4g}  {self.unit:<6}{ratio:>6.2f}"


def report(figures: Iterable[Figure]) -> int:
    """Print each figure when it is there; the exit code: 1 if a bound is missed."""
    print(f"{'':<58}{'value':>8}{'bound':>8}  {'unit':<6}{'ratio':>6}", flush=True)
    missed = []
    for figure in figures:
        print(figure.line(), flush=True)
        if figure.value > figure.bound:
            missed.append(figure.what)
    print(f"above the bound: {', '.join(missed)}" if missed else "every bound is kept")
    return 1 if missed else 0
