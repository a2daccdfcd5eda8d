"""Spot supply: how many instances a zone would give at a time, from published probes, node event logs or a model."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.simulator.traces import Series, TraceError

EVENT_STEP_SECONDS = 60.0
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
    text = path.read_text(errors="replace").strip()
    if not text:
        raise TraceError(path, "the file is empty", REMEDY)
    series = _probes(path, text) if text.startswith("{") else _events(path, text.splitlines())
    share = series.values / max(float(series.values.max()), 1e-12)
    return Supply(Series(series.name, series.step_seconds, np.floor(share * zone_replicas + 1e-9)), _region(path))


def _region(path: Path) -> str:
    """Two zones of one Region share the name up to the zone's letter, as us-west-2 of us-west-2a_v100_1.json."""
    zone = path.name.split("_")[0].split(".")[0]
    return zone[:-1] if zone[-1:].isalpha() and zone[-2:-1].isdigit() else zone


def _probes(path: Path, text: str) -> Series:
    try:
        document = json.loads(text)
        step, data = float(document["metadata"]["gap_seconds"]), np.array(document["data"], dtype=np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise TraceError(path, f"no metadata.gap_seconds and data ({type(error).__name__})", REMEDY) from error
    if data.ndim != 1 or len(data) < 2 or not 0 < step < float("inf"):
        raise TraceError(path, f"{data.size} probes every {step:g} s", "give at least two probes and a step above 0")
    bad = np.flatnonzero(~((data >= 0) & np.isfinite(data)))
    if len(bad):
        raise TraceError(path, f"probe {bad[0]} is {data[bad[0]]:g}", "capacity is a count of 0 or more")
    return Series(path.name, step, data)


def _events(path: Path, lines: list[str]) -> Series:
    changes: list[tuple[float, int]] = []
    for number, row in enumerate(csv.reader(lines), 1):
        if len(row) != 3 or row[1] not in ("add", "remove") or not row[0].strip().isdigit():
            raise TraceError(path, f"unknown row {','.join(row)[:60]!r}", REMEDY, number)
        at = int(row[0]) / 1000
        if changes and at < changes[-1][0]:
            raise TraceError(path, f"{at:g} s is before {changes[-1][0]:g} s", "sort the rows by time", number)
        changes.append((at, 1 if row[1] == "add" else -1))
    steps = int(changes[-1][0] // EVENT_STEP_SECONDS) + 1
    deltas = np.zeros(steps)
    for at, change in changes:
        deltas[int(at // EVENT_STEP_SECONDS)] += change
    return Series(path.name, EVENT_STEP_SECONDS, np.maximum(np.cumsum(deltas), 0))


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
