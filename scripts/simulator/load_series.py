"""Rows of rates, or requests one by one, as a series at an even step; what is missing in them is named."""

from array import array
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from scripts.simulator.moments import span, told
from scripts.simulator.traces import Floats, Series, Sizes, TraceError

REQUEST_STEP_SECONDS = 10.0
MOST_STEPS = 10_000_000  # three years of 10 s
HOLE_STEPS = 1.5  # rows further apart than this have a hole between them
SILENCE_SECONDS = 600.0  # in a list of requests silence is named where it is longer than this
SILENCE_INTERVALS = 100.0  # and than so many mean times from request to request: chance alone makes none as long

Rate = tuple[int, float, float]  # line, time, rate
Request = tuple[int, float, float | None, float]  # line, time, tokens of the prompt where they are told, of the answer


def from_rates(path: Path, rows: Iterable[Rate]) -> Series:
    """Rates in the order of their times. Raises TraceError with the line of a row that is negative or out of order."""
    times, rates = array("d"), array("d")
    for line, time, rate in rows:
        if rate < 0:
            raise TraceError(path, f"the rate {rate:g} is negative", "correct or remove the row", line)
        if times and time == times[-1]:
            remedy = "give one row a time, or name the columns of tokens if these are requests"
            raise TraceError(path, f"{told(time)} comes twice", remedy, line)
        if times and time < times[-1]:
            raise TraceError(path, f"{told(time)} is before {told(times[-1])}", "sort the rows by time", line)
        times.append(time)
        rates.append(rate)
    if len(times) < 2:
        raise TraceError(path, f"{len(times)} row of rates", "give a trace with at least two rows")
    return even(path, np.array(times), np.array(rates))


def even(path: Path, times: Floats, rates: Floats) -> Series:
    """Rows at an even step, the median of theirs. A hole is bridged by a straight line, and named."""
    steps = np.diff(times)
    step = float(np.median(steps))
    length = float(times[-1] - times[0])
    if length / step >= MOST_STEPS:
        raise TraceError(path, f"{length:g} s in steps of {step:g} s", "check its times, or cut it")
    wide = np.flatnonzero(steps > step * HOLE_STEPS)
    gaps = tuple(f"{span(times[i], times[i + 1])} has no rows, bridged by a straight line" for i in wide)
    at = times[0] + np.arange(round(length / step) + 1) * step
    return Series(path.name, step, np.interp(at, times, rates), gaps, start_seconds=float(times[0]))


def from_requests(path: Path, rows: Iterable[Request]) -> Series:
    """Tokens of answers per second, in steps of 10 s from the first request. Raises TraceError with the line."""
    times, prompts, outputs = array("d"), array("d"), array("d")
    for line, time, prompt, tokens in rows:
        least = min(tokens, prompt or 0.0)
        if least < 0:
            raise TraceError(path, f"{least:g} tokens are negative", "correct or remove the row", line)
        if times and time < times[-1]:
            raise TraceError(path, f"{told(time)} is before {told(times[-1])}", "sort the rows by time", line)
        times.append(time)
        outputs.append(tokens)
        if prompt is not None:
            prompts.append(prompt)
    if len(times) < 2:
        raise TraceError(path, f"{len(times)} request", "give a trace with at least two rows")
    return _counted(path, np.array(times), np.array(prompts), np.array(outputs))


def _counted(path: Path, times: Floats, prompts: Floats, outputs: Floats) -> Series:
    start, length = float(times[0]), float(times[-1] - times[0])
    if length > MOST_STEPS * REQUEST_STEP_SECONDS:
        raise TraceError(path, f"{length:g} s between first and last request", "check its times, or cut it")
    at = ((times - start) / REQUEST_STEP_SECONDS).astype(np.int64)
    sizes = Sizes(prompts, outputs) if len(prompts) == len(outputs) and outputs.any() else None
    rate = np.bincount(at, weights=outputs) / REQUEST_STEP_SECONDS
    return Series(path.name, REQUEST_STEP_SECONDS, rate, _silences(times), sizes, start)


def _silences(times: Floats) -> tuple[str, ...]:
    """Named and left as they are: nobody knows whether nothing was asked or nothing was written down."""
    waits = np.diff(times)
    longest = max(SILENCE_SECONDS, SILENCE_INTERVALS * float(waits.mean()))
    return tuple(
        f"{span(times[i], times[i + 1])} has no request, left as it is" for i in np.flatnonzero(waits > longest)
    )
