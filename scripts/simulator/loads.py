"""Load traces: requests or tokens per second over time, from the files in which operators and papers keep them.

Read are: a folder of ServeGen client files (`t_seconds,rate_per_second,…`; the load is their sum), a CSV of rates
(`t_seconds,rate_per_second`, header optional, one row a second, minute or other even step), a CSV of requests (a
timestamp, then one or two columns of token counts, as Azure publishes them), JSON lines with `timestamp` in
milliseconds and `output_length` (Mooncake) and one metric as CloudWatch exports it. Any of them may be compressed with
xz.
"""

import csv
import json
import lzma
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from scripts.simulator.cloudwatch import Points, read_export
from scripts.simulator.traces import Floats, Series, Sizes, TraceError

REQUEST_STEP_SECONDS = 10.0
MOST_STEPS = 10_000_000  # three years of 10 s
LONGEST_BRIDGED_STEPS = 1  # a hole of one row is bridged without a word; a longer one is bridged and reported

FORMATS = "give t_seconds,rate_per_second rows, requests with a timestamp and token counts, or Mooncake's JSON lines"


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
    return load


def _read_file(path: Path) -> Series:
    lines = _lines(path)
    if not lines:
        raise TraceError(path, "the file is empty", "give a trace with at least two rows")
    if lines[0].lstrip().startswith("{"):
        exported = read_export(path, "\n".join(lines), _moment)
        if exported is not None:
            return _points(path, exported)
        return _requests(path, list(_json_rows(path, lines)))
    return _csv(path, lines)


def _lines(path: Path) -> list[str]:
    try:
        text = (lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()).decode()
    except (UnicodeDecodeError, lzma.LZMAError, EOFError, OSError) as error:
        raise TraceError(path, f"it cannot be read as text ({type(error).__name__})", FORMATS) from error
    return [line for line in text.splitlines() if line.strip()]


def _sum_of_clients(folder: Path) -> Series:
    files = sorted(path for path in folder.iterdir() if path.name.removesuffix(".xz").endswith("-trace.csv"))
    if not files:
        raise TraceError(folder, "no file in it ends in -trace.csv", "give a ServeGen client folder or one file")
    clients = [_rates(path, _lines(path)) for path in files]
    step = clients[0].step_seconds
    other = next((path for path, one in zip(files, clients, strict=True) if one.step_seconds != step), None)
    if other:
        raise TraceError(other, f"its step differs from the other clients' {step:g} s", "resample it")
    total = np.zeros(max(len(one.values) for one in clients))
    for one in clients:
        total[: len(one.values)] += one.values
    gaps = tuple(f"{path.name}: {gap}" for path, one in zip(files, clients, strict=True) for gap in one.gaps)
    return (
        _bridged_silence(Series(folder.name, step, total, gaps))
        if len(files) > 1
        else Series(folder.name, step, total, gaps)
    )


def _bridged_silence(sum_of_clients: Series) -> Series:
    """Rows in which every client at once asked nothing are a gap of the recording: bridged by a straight line, and
    named.
    """
    step, values = sum_of_clients.step_seconds, sum_of_clients.values
    there = np.flatnonzero(values > 0)
    if len(there) < 2:
        return sum_of_clients
    inside = np.arange(there[0], there[-1] + 1)
    bridged = values.copy()
    bridged[inside] = np.interp(inside, there, values[there])
    silent = np.flatnonzero(np.diff(there) > 1)
    said = "no request of any client, bridged by a straight line"
    gaps = tuple(f"{(there[i] + 1) * step:.0f}-{there[i + 1] * step:.0f} s: {said}" for i in silent)
    return Series(sum_of_clients.name, step, bridged, (*sum_of_clients.gaps, *gaps))


def _csv(path: Path, lines: Sequence[str]) -> Series:
    first = next(csv.reader(lines[-1:]))
    if _moment(first[0]) is not None and _number(first[0]) is None:
        return _requests(path, list(_request_rows(path, lines)))
    if len(first) >= 2 and _number(first[0]) is not None:
        header = lines[0].lower()
        if "token" in header or "request" in header.split(",")[0]:
            return _requests(path, list(_request_rows(path, lines)))
        return _rates(path, lines)
    raise TraceError(path, f"its rows have no known form: {lines[-1][:60]!r}", FORMATS)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _moment(text: str) -> float | None:
    number = _number(text)
    if number is not None:
        return number
    try:  # seven digits of fraction, as Azure writes them, are one more than Python reads
        whole, _, fraction = text.strip().partition(".")
        moment = datetime.fromisoformat(f"{whole}.{fraction[:6].ljust(6, '0')}" if fraction else whole)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _rates(path: Path, lines: Sequence[str]) -> Series:
    start = 0 if lines and _number(lines[0].split(",")[0]) is not None else 1
    times: list[float] = []
    rates: list[float] = []
    for number, row in enumerate(csv.reader(lines[start:]), start + 1):
        time, rate = (_number(cell) for cell in [*row, "", ""][:2])
        if time is None or rate is None:
            raise TraceError(
                path, f"no two numbers in {','.join(row)[:60]!r}", "write t_seconds,rate_per_second", number
            )
        if rate < 0:
            raise TraceError(path, f"the rate {rate:g} is negative", "correct or remove the row", number)
        if times and time <= times[-1]:
            raise TraceError(path, f"{time:g} s is not after {times[-1]:g} s", "sort the rows by time", number)
        times.append(time)
        rates.append(rate)
    if len(times) < 2:
        raise TraceError(path, f"{len(times)} row of rates", "give a trace with at least two rows")
    return _even(path, np.array(times), np.array(rates))


def _points(path: Path, points: Points) -> Series:
    """An exported metric; seconds count from its first point."""
    if len(points) < 2:
        raise TraceError(path, f"{len(points)} point of a metric", "export at least two")
    times = np.array([time for time, _ in points]) - points[0][0]
    twice = np.flatnonzero(np.diff(times) == 0)
    if len(twice):
        raise TraceError(path, f"two points at {times[twice[0]]:g} s after the first", "export one metric once")
    return _even(path, times, np.array([value for _, value in points]))


def _even(path: Path, times: Floats, rates: Floats) -> Series:
    """Rows at an even step. A hole is bridged by a straight line, and named where it is longer than one row."""
    steps = np.diff(times)
    step = float(np.median(steps))
    count = round(float(times[-1] - times[0]) / step) + 1
    if count > MOST_STEPS:
        raise TraceError(path, f"{times[-1] - times[0]:g} s in steps of {step:g} s", "check its times, or cut it")
    wide = np.flatnonzero(steps > step * (LONGEST_BRIDGED_STEPS + 1.5))
    gaps = tuple(f"{times[i]:.0f}-{times[i + 1]:.0f} s has no rows, bridged by a straight line" for i in wide)
    even = np.interp(times[0] + np.arange(count) * step, times, rates)
    return Series(path.name, step, even, gaps)


Row = tuple[int, float, float | None, float]  # line, time, tokens of the prompt where they are told, of the answer


def _request_rows(path: Path, lines: Sequence[str]) -> Iterator[Row]:
    start = 0 if _moment(lines[0].split(",")[0]) is not None else 1
    for number, row in enumerate(csv.reader(lines[start:]), start + 1):
        time, tokens = _moment(row[0]), _number(row[-1]) if len(row) > 1 else 1.0
        if time is None or tokens is None:
            raise TraceError(path, f"no time and token count in {','.join(row)[:60]!r}", FORMATS, number)
        yield number, time, _number(row[-2]) if len(row) > 2 else None, tokens


def _json_rows(path: Path, lines: Sequence[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            prompt = _finite(row["input_length"]) if "input_length" in row else None
            yield number, _finite(row["timestamp"]) / 1000, prompt, _finite(row["output_length"])
        except (ValueError, KeyError, TypeError) as error:
            problem = f"no timestamp and output_length ({type(error).__name__})"
            raise TraceError(path, problem, "write Mooncake's JSON lines", number) from error


def _finite(value: object) -> float:
    number = _number(str(value))
    if number is None:
        raise ValueError(value)
    return number


def _requests(path: Path, rows: Sequence[Row]) -> Series:
    last = float("-inf")
    for number, time, prompt, tokens in rows:
        if min(tokens, prompt or 0.0) < 0:
            raise TraceError(
                path, f"{min(tokens, prompt or 0.0):g} tokens are negative", "correct or remove the row", number
            )
        if time < last:
            raise TraceError(path, f"{time:g} s is before {last:g} s", "sort the rows by time", number)
        last = time
    if len(rows) < 2:
        raise TraceError(path, f"{len(rows)} request", "give a trace with at least two rows")
    start = rows[0][1]
    if last - start > MOST_STEPS * REQUEST_STEP_SECONDS:
        raise TraceError(path, f"{last - start:g} s between first and last request", "check its times, or cut it")
    at = np.array([(time - start) / REQUEST_STEP_SECONDS for _, time, _, _ in rows]).astype(np.int64)
    outputs = np.array([tokens for *_, tokens in rows])
    prompts = np.array([prompt for _, _, prompt, _ in rows if prompt is not None])
    sizes = Sizes(prompts, outputs) if len(prompts) == len(outputs) and outputs.any() else None
    tokens_per_step = np.bincount(at, weights=outputs)
    return Series(path.name, REQUEST_STEP_SECONDS, tokens_per_step / REQUEST_STEP_SECONDS, sizes=sizes)
