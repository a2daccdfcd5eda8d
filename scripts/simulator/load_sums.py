"""Several loads as one: clients of a folder, or files of a command line, each at its time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from scripts.simulator.load_series import MOST_STEPS
from scripts.simulator.moments import is_epoch, told
from scripts.simulator.traces import WHOLE_WITHIN, Floats, Series, TraceError


def whole_sum(name: str, clients: Sequence[Series]) -> Series:
    """Clients of one step, from the start of the first to the end of the last: before its start and after its end a
    client asks nothing. Raises TraceError where that is too long to be one recording.
    """
    clients, notes = on_one_clock(clients)
    step, start = clients[0].step_seconds, min(one.start_seconds for one in clients)
    length = max(one.start_seconds - start + one.seconds for one in clients)
    if length / step > MOST_STEPS:
        raise TraceError(Path(name), f"its clients span {length:g} s in steps of {step:g} s", "check their times")
    total = np.zeros(round(length / step))
    for one in clients:
        _add(total, one, (one.start_seconds - start) / step)
    gaps = tuple(f"{one.name}: {gap}" for one in clients for gap in one.gaps)
    told_of = tuple(note for one in clients for note in one.notes)
    return Series(name, step, total, gaps, start_seconds=start, notes=(*told_of, *notes))


def _add(total: Floats, one: Series, steps: float) -> None:
    """One client that begins so many steps after the first; between two steps its work is split."""
    at = round(steps)
    if abs(steps - at) <= WHOLE_WITHIN * max(1.0, steps):
        total[at : at + len(one.values)] += one.values
    else:
        total += one.averaged(one.step_seconds, len(total), -steps * one.step_seconds)


def common_sum(loads: Sequence[Series]) -> Series:
    """Loads at the finest of their steps, over the time that all of them have."""
    loads, notes = on_one_clock(loads)
    start = max(one.start_seconds for one in loads)
    end = min(one.start_seconds + one.seconds for one in loads)
    if end <= start:
        notes = (*notes, f"{_starts(loads)}: no time is in all of them, each is taken from its own start")
        loads = [replace(one, start_seconds=0.0) for one in loads]
        start, end = 0.0, min(one.seconds for one in loads)
    elif any(one.start_seconds != start for one in loads):
        notes = (*notes, f"{_starts(loads)}: replayed are the {end - start:g} s that are in all of them")
    step = min(one.step_seconds for one in loads)
    count = int((end - start) / step + WHOLE_WITHIN)
    total = np.sum([one.averaged(step, count, start - one.start_seconds) for one in loads], axis=0)
    gaps = tuple(f"{one.name}: {gap}" for one in loads for gap in one.gaps)
    told_of = tuple(note for one in loads for note in one.notes)
    name = "+".join(one.name for one in loads)
    return Series(name, step, np.asarray(total), gaps, start_seconds=start, notes=(*told_of, *notes))


def on_one_clock(loads: Sequence[Series]) -> tuple[Sequence[Series], tuple[str, ...]]:
    """Clocks of which one counts from a start and another since 1970 are not one: each load is then taken from its
    own start, and that is noted.
    """
    if len({is_epoch(one.start_seconds) for one in loads}) < 2:
        return loads, ()
    one = next(one for one in loads if not is_epoch(one.start_seconds))
    other = next(other for other in loads if is_epoch(other.start_seconds))
    note = f"{_starts((one, other))}: these are different clocks, each is taken from its own start"
    return [replace(one, start_seconds=0.0) for one in loads], (note,)


def _starts(loads: Sequence[Series]) -> str:
    """The first two loads that start at different times, in words."""
    other = next(one for one in loads if one.start_seconds != loads[0].start_seconds)
    return ", ".join(f"{one.name} begins at {told(one.start_seconds)}" for one in (loads[0], other))
