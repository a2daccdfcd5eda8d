"""Spot supply: how many instances a zone would give at a time, from published probes, node event logs or a model."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.simulator.load_series import MOST_STEPS
from scripts.simulator.moments import number
from scripts.simulator.text_files import Row, read_rows, read_text
from scripts.simulator.traces import Floats, Series, TraceError

EVENT_STEP_SECONDS = 60.0
EPOCH_FROM_MILLISECONDS = 1e11  # March 1973: from there on times count since 1970, and the log from its first row
LATEST_START_MILLISECONDS = 1e9  # 11.6 days: a log that counts from its start has a row before
EPOCH_TO_MILLISECONDS = 1e14
REMEDY = (
    "give SkyPilot's JSON ({metadata.gap_seconds, data}), a log of milliseconds,add|remove,node rows, "
    "or model:HOURS_UP,HOURS_DOWN,MOST"
)


@dataclass(frozen=True)
class Supply:
    """`capacity` counts instances that can run at once. `domain` (a Region) joins zones that are lost together."""

    capacity: Series
    domain: str


def read_supply(source: str, zone_replicas: int, seconds: float, seed: int) -> Supply:
    """Capacity of one zone. Files tell how many of the most that was probed a zone gave; that share of
    `zone_replicas` is what it gives here, rounded down, whether the probe was for 1, 4 or 16 nodes.

    `model:HOURS_UP,HOURS_DOWN,MOST` draws exponential times up and down. Raises TraceError naming file, line and
    remedy.
    """
    if source.startswith("model:"):
        return _model(source, seconds, seed)
    path = Path(source)
    if not path.is_file():
        raise TraceError(path, "there is no such file", "check --spot")
    text = read_text(path)
    if not text.strip():
        raise TraceError(path, "the file is empty", REMEDY)
    series = _probes(path, text) if text.lstrip().startswith("{") else _events(path, read_rows(path, text))
    most = float(series.values.max())
    notes = () if most else (f"{path.name}: it has no capacity at any time",)
    capacity = np.floor(series.values / (most or 1.0) * zone_replicas + 1e-9)
    return Supply(replace(series, values=capacity, notes=notes), _region(path))


def _region(path: Path) -> str:
    """Two zones of one Region share the name up to the zone's letter, as us-west-2 of us-west-2a_v100_1.json."""
    zone = path.name.split("_")[0].split(".")[0]
    return zone[:-1] if zone[-1:].isalpha() and zone[-2:-1].isdigit() else zone


def _probes(path: Path, text: str) -> Series:
    try:
        document = json.loads(text)
        step, data = float(document["metadata"]["gap_seconds"]), np.array(document["data"], dtype=np.float64)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise TraceError(path, f"no metadata.gap_seconds and data ({type(error).__name__})", REMEDY) from error
    if data.ndim != 1 or len(data) < 2 or not 0 < step < float("inf"):
        raise TraceError(path, f"{data.size} probes every {step:g} s", "give at least two probes and a step above 0")
    bad = np.flatnonzero(~((data >= 0) & np.isfinite(data)))
    if len(bad):
        raise TraceError(path, f"probe {bad[0]} is {data[bad[0]]:g}", "capacity is a count of 0 or more")
    return Series(path.name, step, data)


def _events(path: Path, rows: Iterable[Row]) -> Series:
    times, changes = [], []
    for line, row in rows:
        at, kind = number(row[0]), row[1].lower() if len(row) > 1 else ""
        if at is None or at < 0 or len(row) < 3 or any(row[3:]) or kind not in ("add", "remove"):
            raise TraceError(path, f"unknown row {','.join(row)[:60]!r}", REMEDY, line)
        times.append(at)
        if times[-1] < times[-2:][0]:
            problem = f"{times[-1] / 1000:g} s is before {times[-2] / 1000:g} s"
            raise TraceError(path, problem, "sort the rows by time", line)
        if len(times) == 1:
            begin = _begin_milliseconds(path, times[0], line)
        changes.append(1 if kind == "add" else -1)
    if not times:
        raise TraceError(path, "it has no rows", REMEDY)
    return _counted(path, (np.array(times) - begin) / 1000, np.array(changes))


def _begin_milliseconds(path: Path, first: float, line: int) -> float:
    """Where a log begins: at 0, or at its first row where times count since 1970."""
    if first < LATEST_START_MILLISECONDS:
        return 0.0
    if EPOCH_FROM_MILLISECONDS <= first < EPOCH_TO_MILLISECONDS:
        return first
    problem = f"{first:.0f} is no time in milliseconds, from a start or since 1970"
    raise TraceError(path, problem, "write milliseconds", line)


def _counted(path: Path, times: Floats, changes: NDArray[np.int64]) -> Series:
    """Nodes at the end of each minute."""
    if times[-1] / EVENT_STEP_SECONDS >= MOST_STEPS:
        raise TraceError(path, f"its rows span {times[-1] - times[0]:g} s", "check its times, or cut it")
    at = (times // EVENT_STEP_SECONDS).astype(np.int64)
    return Series(path.name, EVENT_STEP_SECONDS, np.maximum(np.cumsum(np.bincount(at, weights=changes)), 0))


def _model(source: str, seconds: float, seed: int) -> Supply:
    try:
        up, down, most = (float(part) for part in source.removeprefix("model:").split(","))
    except ValueError:
        up = down = most = -1.0
    if not all(0 < hours < float("inf") for hours in (up, down)) or not 0 <= most < float("inf"):
        raise TraceError(
            Path(source), "not three numbers above 0", "write model:HOURS_UP,HOURS_DOWN,MOST, as model:12,1,16"
        )
    rng = np.random.default_rng([seed, len(source), int(most)])
    values = np.empty(int(seconds // EVENT_STEP_SECONDS) + 1)
    at, is_up = 0, True
    while at < len(values):
        steps = max(1, int(rng.exponential(up if is_up else down) * 3600 / EVENT_STEP_SECONDS))
        values[at : at + steps] = most if is_up else 0.0
        at, is_up = at + steps, not is_up
    return Supply(Series(source, EVENT_STEP_SECONDS, values), source)
