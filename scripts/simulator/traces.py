"""A series of figures at an even step, and what is said of a file that is none."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WHOLE_WITHIN = 1e-9  # steps of files are decimal fractions


class TraceError(ValueError):
    """An input file that cannot be replayed; the message names file, line and remedy."""

    def __init__(self, path: Path, problem: str, remedy: str, line: int | None = None) -> None:
        where = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{where}: {problem}; {remedy}")


@dataclass(frozen=True)
class Sizes:
    """Tokens of prompt and answer of requests from which a simulation draws."""

    prompts: Floats
    outputs: Floats


@dataclass(frozen=True)
class Series:
    """`values[i]` holds from `start_seconds + i * step_seconds`, on the clock of its file, for one step. `gaps` says in
    words what was missing and what was made of it, `notes` how the file was understood where it left that open;
    `sizes` are those of the requests where the file has them one by one.
    """

    name: str
    step_seconds: float
    values: Floats
    gaps: tuple[str, ...] = field(default=())
    sizes: Sizes | None = None
    start_seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return len(self.values) * self.step_seconds

    def averaged(self, step_seconds: float, count: int, after_seconds: float = 0.0) -> Floats:
        """The mean in each of `count` steps of `step_seconds` from `after_seconds` after its start: their sum times
        the step is what the series holds in that time, outside of which it is 0.
        """
        within = after_seconds >= 0 and after_seconds + count * step_seconds <= self.seconds * (1 + WHOLE_WITHIN)
        coarse = self.step_seconds >= step_seconds and _whole(self.step_seconds / step_seconds)
        if within and coarse and _whole(after_seconds / step_seconds):
            return self._held(step_seconds, count, round(after_seconds / step_seconds))
        edges = after_seconds + np.arange(count + 1) * step_seconds
        held = np.concatenate([[0.0], np.cumsum(self.values) * self.step_seconds])
        until = np.interp(edges, np.arange(len(held)) * self.step_seconds, held)
        return np.asarray(np.maximum(np.diff(until), 0.0) / step_seconds)

    def least(self, step_seconds: float, count: int) -> Floats:
        """The least that holds at any time of each of `count` steps of `step_seconds`; of a step that is longer, what
        holds where each begins.
        """
        if self.step_seconds >= step_seconds:
            return self._held(step_seconds, count, 0)
        edges = np.arange(count + 1) * step_seconds / self.step_seconds
        first = np.floor(edges[:-1] + WHOLE_WITHIN).astype(np.int64)
        end = np.ceil(edges[1:] - WHOLE_WITHIN).astype(np.int64)
        last = len(self.values) - 1
        pairs = np.column_stack([np.minimum(first, last), np.minimum(end, last + 1)]).ravel()
        return np.asarray(np.minimum.reduceat(np.append(self.values, np.inf), pairs)[::2])

    def _held(self, step_seconds: float, count: int, skipped: int) -> Floats:
        at = ((np.arange(count) + skipped) * step_seconds / self.step_seconds + WHOLE_WITHIN).astype(np.int64)
        return np.asarray(self.values[np.minimum(at, len(self.values) - 1)])


def _whole(ratio: float) -> bool:
    return abs(ratio - round(ratio)) <= WHOLE_WITHIN * max(1.0, ratio)
