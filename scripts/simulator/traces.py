"""A series of figures at an even step, and what is said of a file that is none."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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
    """`values[i]` holds from `i * step_seconds` for one step. `gaps` says in words what was missing and how it was
    bridged; `sizes` are those of the requests where the file has them one by one.
    """

    name: str
    step_seconds: float
    values: Floats
    gaps: tuple[str, ...] = field(default=())
    sizes: Sizes | None = None

    @property
    def seconds(self) -> float:
        return len(self.values) * self.step_seconds

    def at_steps(self, step_seconds: float, count: int) -> Floats:
        """The value that holds at each of `count` steps of `step_seconds`."""
        at = (np.arange(count) * step_seconds / self.step_seconds + 1e-9).astype(np.int64)
        return np.asarray(self.values[np.minimum(at, len(self.values) - 1)])
