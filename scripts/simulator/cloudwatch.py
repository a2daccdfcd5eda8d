"""A metric that CloudWatch exports, as a load: what `aws cloudwatch get-metric-data` and `get-metric-statistics` print.

Points come newest first or in any order, as AWS documents, and are sorted here. CloudWatch has no point for a period in
which nobody published: that is a gap, not a zero.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scripts.simulator.traces import TraceError

STATISTICS = ("Sum", "Average", "SampleCount", "Maximum", "Minimum")
MOST_VALUE = 1e300  # neither infinite, nor an integer that no float can hold
ONE_METRIC = "export one metric to a file; several files add up"

Points = list[tuple[float, float]]  # time, value


def read_export(path: Path, text: str, moment: Callable[[str], float | None]) -> Points | None:
    """The points of the one metric in it, oldest first; None where the text is no such export."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    if "MetricDataResults" in document:
        pairs = _of_data(path, document)
    elif "Datapoints" in document:
        pairs = _of_statistics(path, document["Datapoints"])
    else:
        return None
    points = []
    for number, (when, value) in enumerate(pairs, 1):
        at = moment(str(when))
        if at is None or not isinstance(value, int | float) or not 0 <= value <= MOST_VALUE:
            problem = f"point {number} is {when!s:.40}, {value!s:.40}"
            raise TraceError(path, problem, "export a metric of 0 or more with its timestamps")
        points.append((at, float(value)))
    return sorted(points)


def _of_data(path: Path, document: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    results = document["MetricDataResults"]
    found = [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []
    if len(found) != 1:
        raise TraceError(path, f"it has {len(found)} results", ONE_METRIC)
    result = found[0]
    status = result.get("StatusCode", "Complete")
    if status != "Complete" or document.get("NextToken"):
        raise TraceError(path, f"its data is {status}, more pages follow", "export it without --no-paginate")
    times, values = result.get("Timestamps"), result.get("Values")
    if not isinstance(times, list) or not isinstance(values, list):
        raise TraceError(path, "its result has no lists of Timestamps and Values", "export it again")
    if len(times) != len(values):
        raise TraceError(path, f"{len(times)} timestamps for {len(values)} values", "export it again")
    return list(zip(times, values, strict=True))


def _of_statistics(path: Path, datapoints: Any) -> list[tuple[Any, Any]]:
    rows = [row for row in datapoints if isinstance(row, dict)] if isinstance(datapoints, list) else []
    told = [name for name in STATISTICS if rows and all(name in row for row in rows)]
    if rows and len(told) != 1:
        raise TraceError(
            path, f"its points have {', '.join(told) or 'no statistic'}", "export one, as --statistics Sum"
        )
    return [(row.get("Timestamp"), row[told[0]]) for row in rows]
