"""Load traces: requests or tokens per second over time, from the files in which operators and papers keep them.

Read are: a folder of ServeGen client files (`t_seconds,rate_per_second,…`; the load is their sum), a CSV of rates
(`t_seconds,rate_per_second`, one row a second, minute or other even step), a CSV of requests (a timestamp, then one or
two columns of token counts, as Azure publishes them), JSON lines with `timestamp` in milliseconds and `output_length`
(Mooncake) and one metric as CloudWatch exports it. Any of them may be compressed with xz or gzip.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from scripts.simulator.cloudwatch import Points, read_export
from scripts.simulator.columns import RATES, Form
from scripts.simulator.load_series import Request, even, from_requests
from scripts.simulator.load_sums import whole_sum
from scripts.simulator.load_tables import read_table
from scripts.simulator.moments import moment, number, span
from scripts.simulator.text_files import read_text
from scripts.simulator.traces import Series, TraceError

MOST_RATE = 1e100  # sums stay finite
CLIENT_FILES = ("-trace.csv", "-trace.csv.xz", "-trace.csv.gz")


def read_load(path: Path) -> Series:
    """Offered work over time, in requests or tokens per second: only its shape counts, `--mean-replicas` sets its size.

    Raises TraceError naming file, line and remedy: empty, unsorted, negative or unknown content.
    """
    if path.is_dir():
        return _with_work(path, _sum_of_clients(path))
    if not path.is_file():
        raise TraceError(path, "there is no such file or folder", "check --load")
    return _with_work(path, _read_file(path))


def _with_work(path: Path, load: Series) -> Series:
    if not load.values.any():
        raise TraceError(path, "every rate in it is 0", "give a trace in which something is asked")
    if load.values.max() > MOST_RATE:
        raise TraceError(path, f"a rate of {load.values.max():g} is none", "correct it: only the shape counts")
    return load


def _read_file(path: Path) -> Series:
    text = read_text(path)
    if not text.strip():
        raise TraceError(path, "the file is empty", "give a trace with at least two rows")
    if text.lstrip().startswith("{"):
        exported = read_export(path, text, moment)
        return _points(path, exported) if exported is not None else from_requests(path, _json_rows(path, text))
    return read_table(path, text)


def _sum_of_clients(folder: Path) -> Series:
    files = sorted(path for path in folder.iterdir() if path.name.endswith(CLIENT_FILES))
    if not files:
        raise TraceError(folder, "no file in it ends in -trace.csv", "give a ServeGen client folder or one file")
    known: set[str] = set()
    for path in files:
        name = path.name.removesuffix(".xz").removesuffix(".gz")
        if name in known:
            raise TraceError(path, "this client is there twice", "remove one of the files")
        known.add(name)
    clients = [read_table(path, read_text(path), Form(RATES)) for path in files]
    step = clients[0].step_seconds
    other = next((path for path, one in zip(files, clients, strict=True) if one.step_seconds != step), None)
    if other:
        raise TraceError(other, f"its step differs from the other clients' {step:g} s", "resample it")
    total = whole_sum(folder.name, clients)
    return _bridged_silence(total) if len(files) > 1 else total


def _bridged_silence(sum_of_clients: Series) -> Series:
    """Rows in which every client at once asked nothing are a gap of the recording: bridged by a straight line, and
    named.
    """
    step, values, start = sum_of_clients.step_seconds, sum_of_clients.values, sum_of_clients.start_seconds
    there = np.flatnonzero(values > 0)
    if len(there) < 2:
        return sum_of_clients
    inside = np.arange(there[0], there[-1] + 1)
    bridged = values.copy()
    bridged[inside] = np.interp(inside, there, values[there])
    said = "no request of any client, bridged by a straight line"
    silent = np.flatnonzero(np.diff(there) > 1)
    gaps = tuple(f"{span(start + (there[i] + 1) * step, start + there[i + 1] * step)}: {said}" for i in silent)
    return replace(sum_of_clients, values=bridged, gaps=(*sum_of_clients.gaps, *gaps))


def _points(path: Path, points: Points) -> Series:
    """An exported metric; what is said of it counts from its first point."""
    if len(points) < 2:
        raise TraceError(path, f"{len(points)} point of a metric", "export at least two")
    times = np.array([time for time, _ in points]) - points[0][0]
    twice = np.flatnonzero(np.diff(times) == 0)
    if len(twice):
        raise TraceError(path, f"two points at {times[twice[0]]:g} s after the first", "export one metric once")
    load = even(path, times, np.array([value for _, value in points]))
    return replace(load, start_seconds=points[0][0])


def _json_rows(path: Path, text: str) -> Iterator[Request]:
    for line, row in enumerate(io.StringIO(text, newline=None), 1):
        if not row.strip():
            continue
        try:
            found = json.loads(row)
            prompt = _finite(found["input_length"]) if "input_length" in found else None
            yield line, _finite(found["timestamp"]) / 1000, prompt, _finite(found["output_length"])
        except (ValueError, KeyError, TypeError) as error:
            problem = f"no timestamp and output_length ({type(error).__name__})"
            raise TraceError(path, problem, "write Mooncake's JSON lines", line) from error


def _finite(value: object) -> float:
    found = number(str(value))
    if found is None:
        raise ValueError(value)
    return found
